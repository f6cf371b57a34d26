"""Where to split, inside the process and as a whole command, against vllm-sr-sim.

Both size two pools at every breakpoint. A design is one split with the pools that it takes. Each
call begins with the lengths: nothing is kept from the call before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from benchmarks.figures import Figure, Subject, Target
from benchmarks.peers import FLEET_SIM
from benchmarks.timing import fastest_process, fastest_s
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.questions.two_pools import TwoPools, thresholds

WORKLOADS = {"lmsys": (100.0, 65536), "azure": (200.0, 8192)}
"""Requests per second and largest context of each, in tokens."""
FASTER = Target("at least", 20.0)


def measure() -> Iterator[Figure]:
    """Milliseconds for a design, seconds for a command, and how many times less than the peer."""
    for workload in WORKLOADS:
        peer_ms = _peer_ms(workload) if find_spec("fleet_sim") else None
        if peer_ms:
            yield Figure(f"vllm-sr-sim, {workload}, a design", peer_ms, "ms")
        for method in ("published", "fleetopt"):
            own_ms = _per_design_ms(lambda: _own(workload, method))  # noqa: B023
            name = f"fleetopt, {workload}, {method} method"
            yield Figure(f"{name}, a design", own_ms, "ms")
            if peer_ms:
                yield Figure(f"vllm-sr-sim / {name}, a design", peer_ms / own_ms, "times", FASTER)
        yield from _commands(workload)


def _own(workload: str, method: str) -> int:
    lam, context = WORKLOADS[workload]
    gpu = read_profiles()["a100"]
    asked = TwoPools(read_lengths(workload)[0], lam, gpu, gpu, 500.0, context, method=method)
    return len(thresholds(asked).rows)


def _peer_ms(workload: str) -> float:
    from fleet_sim import A100_80GB
    from fleet_sim.optimizer import threshold_pareto

    lam, context = WORKLOADS[workload]
    cdf = [list(point) for point in read_lengths(workload)[0].cdf]
    return _per_design_ms(
        lambda: len(threshold_pareto(cdf, lam, A100_80GB, A100_80GB, 500.0, context))
    )


def _per_design_ms(sweep: Callable[[], int]) -> float:
    """Milliseconds for each of the designs that a sweep gives."""
    return 1000.0 * fastest_s(sweep, repeats=3) / sweep()


def _commands(workload: str) -> Iterator[Figure]:
    """Whole processes: every split, and the factors of compression at one of them."""
    lam, context = WORKLOADS[workload]
    stated = ("--cdf", f"data/{workload}_cdf.json", "--lam", f"{lam:g}",
              "--long-max-ctx", str(context))  # fmt: skip
    for words in (("pareto", *stated), ("optimize", *stated, "--verify-top", "0")):
        name = f"{words[0]}, {workload}"
        own_s = fastest_process(words, repeats=5).seconds
        yield Figure(f"fleetopt {name}", own_s, "s")
        if find_spec("run_sim"):
            peer_s = fastest_process(words, repeats=5, start=FLEET_SIM).seconds
            yield Figure(f"vllm-sr-sim {name}", peer_s, "s")
            ratio = own_s / peer_s
            yield Figure(f"fleetopt / vllm-sr-sim, {name}", ratio, "times", Target("at most", 1.0))


SUBJECT = Subject("two pools", "two pools of A100 at every breakpoint", measure)
