"""Where to split, inside the process and as a whole command, against vllm-sr-sim.

Both size two pools at every breakpoint. A design is one split with the pools that it takes. Each
call begins with the lengths: nothing is kept from the call before it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import Figure, Subject, Target
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
                yield Figure(f"{name}, times faster", peer_ms / own_ms, "times", FASTER)
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
    lam, context = WORKLOADS[workload]
    file = f"data/{workload}_cdf.json"
    words = ("pareto", "--cdf", file, "--lam", f"{lam:g}", "--long-max-ctx", str(context))
    own_s = fastest_process(words, repeats=5).seconds
    yield Figure(f"fleetopt pareto, {workload}", own_s, "s")
    peer = Path(sys.executable).with_name("vllm-sr-sim")
    if peer.exists():
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        run = lambda: subprocess.run([peer, *words], env=environment, capture_output=True)  # noqa: E731
        peer_s = fastest_s(run, repeats=5)
        yield Figure(f"vllm-sr-sim pareto, {workload}", peer_s, "s")
        yield Figure("fleetopt / vllm-sr-sim", own_s / peer_s, "times", Target("at most", 1.0))


SUBJECT = Subject("two pools", "two pools of A100 at every breakpoint", measure)
