"""Where to split, inside the process and as a whole command, against vllm-sr-sim.

Both size two pools at every breakpoint. A design is one split with the pools that it takes. Each
call begins with the lengths: nothing is kept from the call before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

from benchmarks.figures import Figure, Subject, Target
from benchmarks.peers import FLEET_SIM
from benchmarks.timing import START, fastest_each_s, fastest_in_turn
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.questions.two_pools import TwoPools, thresholds

WORKLOADS = {"lmsys": (100.0, 65536), "azure": (200.0, 8192)}
"""Requests per second and largest context of each, in tokens."""
FASTER = Target("at least", 20.0)


METHODS = ("published", "fleetopt")


def measure() -> Iterator[Figure]:
    """Milliseconds for a design, seconds for a command, and how many times less than the peer."""
    for workload in WORKLOADS:
        yield from _designs(workload)
        yield from _commands(workload)


def _designs(workload: str) -> Iterator[Figure]:
    """One sweep of each method and of the peer, in turn, over the designs that it gives."""
    sweeps: list[Callable[[], int]] = [partial(_own, workload, method) for method in METHODS]
    if find_spec("fleet_sim"):
        sweeps.append(partial(_peer, workload))
    designs = [sweep() for sweep in sweeps]
    seconds = fastest_each_s(sweeps, repeats=15)
    each_ms = [1000.0 * s / n for s, n in zip(seconds, designs, strict=True)]
    for method, own_ms in zip(METHODS, each_ms, strict=False):
        yield Figure(f"fleetopt, {workload}, {method} method, a design", own_ms, "ms")
    for peer_ms in each_ms[len(METHODS) :]:
        yield Figure(f"vllm-sr-sim, {workload}, a design", peer_ms, "ms")
        for method, own_ms in zip(METHODS, each_ms, strict=False):
            name = f"vllm-sr-sim / fleetopt, {workload}, {method} method, a design"
            yield Figure(name, peer_ms / own_ms, "times", FASTER)


def _own(workload: str, method: str) -> int:
    lam, context = WORKLOADS[workload]
    gpu = read_profiles()["a100"]
    asked = TwoPools(read_lengths(workload)[0], lam, gpu, gpu, 500.0, context, method=method)
    return len(thresholds(asked).rows)


def _peer(workload: str) -> int:
    from fleet_sim import A100_80GB
    from fleet_sim.optimizer import threshold_pareto

    lam, context = WORKLOADS[workload]
    cdf = [list(point) for point in read_lengths(workload)[0].cdf]
    return len(threshold_pareto(cdf, lam, A100_80GB, A100_80GB, 500.0, context))


def _commands(workload: str) -> Iterator[Figure]:
    """Whole processes: every split, and the factors of compression at one of them."""
    lam, context = WORKLOADS[workload]
    stated = ("--cdf", f"data/{workload}_cdf.json", "--lam", f"{lam:g}",
              "--long-max-ctx", str(context))  # fmt: skip
    for words in (("pareto", *stated), ("optimize", *stated, "--verify-top", "0")):
        name = f"{words[0]}, {workload}"
        starts = (START, FLEET_SIM) if find_spec("run_sim") else (START,)
        own, *peers = fastest_in_turn(words, 9, starts)
        yield Figure(f"fleetopt {name}", own.seconds, "s")
        for peer in peers:
            yield Figure(f"vllm-sr-sim {name}", peer.seconds, "s")
            ratio = own.seconds / peer.seconds
            yield Figure(f"fleetopt / vllm-sr-sim, {name}", ratio, "times", Target("at most", 1.0))


SUBJECT = Subject("two pools", "two pools of A100 at every breakpoint", measure)
