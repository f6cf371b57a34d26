"""Power caps and tokens per watt as whole commands, against vllm-sr-sim.

Nine depths of the published fleet, each simulated with 15,000 requests: in five replications here,
in one by the peer.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.figures import Figure, Subject, Target
from benchmarks.peers import FLEET_SIM
from benchmarks.timing import fastest_process

GRID = ("grid-flex", "--cdf", "data/azure_cdf.json", "--lam", "200", "--n-gpus", "40",
        "--gpu", "h100", "--slo", "500", "--verify-des", "15000")  # fmt: skip
TOKENS = ("tok-per-watt", "--cdf", "data/azure_cdf.json", "--lam", "100", "--slo", "500")
LIMITS_S = {GRID: 3.0, TOKENS: 0.5}


def measure() -> Iterator[Figure]:
    """Seconds of each command, and what part that is of the peer's."""
    for words, limit_s in LIMITS_S.items():
        own_s = fastest_process(words, repeats=3).seconds
        yield Figure(f"fleetopt {words[0]}", own_s, "s", Target("at most", limit_s))
        if find_spec("run_sim"):
            peer_s = fastest_process(words, repeats=3, start=FLEET_SIM).seconds
            yield Figure(f"vllm-sr-sim {words[0]}", peer_s, "s")
            yield Figure(f"fleetopt / vllm-sr-sim, {words[0]}", own_s / peer_s, "times")


SUBJECT = Subject("energy", "power caps and tokens per watt, whole processes", measure)
