"""`whatif` against vllm-sr-sim: whole processes, and evaluated designs inside the process."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.figures import Figure, Subject, Target
from benchmarks.peers import FLEET_SIM
from benchmarks.timing import START, fastest_in_turn, fastest_s

RATES = (25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0)
_CDF = "data/azure_cdf.json"
_POOLS = ("whatif", "--cdf", _CDF, "--long-max-ctx", "8192")
QUESTIONS = {
    "rates": (*_POOLS, "--gpu-short", "h100", "--gpu-long", "h100",
              "--lam-range", *(f"{rate:g}" for rate in RATES)),
    "GPUs": (*_POOLS, "--gpu-compare", "a10g", "a100", "h100"),
}  # fmt: skip


def measure() -> Iterator[Figure]:
    """Seconds of each command, and designs per second."""
    for name, arguments in QUESTIONS.items():
        starts = (START, FLEET_SIM) if find_spec("run_sim") else (START,)
        own, *peers = fastest_in_turn(arguments, 5, starts)
        yield Figure(f"fleetopt whatif, {name}", own.seconds, "s")
        for peer in peers:
            yield Figure(f"vllm-sr-sim whatif, {name}", peer.seconds, "s")
            yield Figure(f"fleetopt / vllm-sr-sim, {name}", own.seconds / peer.seconds, "times",
                         Target("at most", 1.0))  # fmt: skip
    yield from _designs()


def _designs() -> Iterator[Figure]:
    """Least fleets of two pools per second, in one process, for rates from 25 to 1000.

    fleetopt finds every step of the range in one pass; the peer is asked for the rate in the
    middle of each step, without compression, and sizes the same pools.
    """
    from fleetopt.problem import WhatIf
    from fleetopt.questions.whatif import when_to_add

    stated = WhatIf(
        cdf="azure", gpu_short="h100", gpu_long="h100", long_max_ctx=8192, lam_range=(25, 1000)
    )
    steps = when_to_add(stated).steps
    own = len(steps) / fastest_s(lambda: when_to_add(stated), 5)
    yield Figure("fleetopt, designs", own, "1/s")
    if not find_spec("fleet_sim"):
        return
    from fleet_sim import H100_80GB, FleetOptimizer
    from run_sim import load_cdf

    cdf, rates = load_cdf(_CDF), [(step.from_lam + step.until_lam) / 2 for step in steps]
    sizing = FleetOptimizer(H100_80GB, H100_80GB, 4096, 500.0, 8192)

    def sized() -> None:
        for rate in rates:
            sizing.sweep_analytical(cdf, rate, [1.0], verbose=False)

    peer = len(rates) / fastest_s(sized, 3)
    yield Figure("vllm-sr-sim, designs", peer, "1/s")
    yield Figure("fleetopt / vllm-sr-sim, designs", own / peer, "times", Target("at least", 20))


SUBJECT = Subject("whatif", "growth and GPUs, beside vllm-sr-sim", measure)
