"""`whatif` against vllm-sr-sim: whole processes, and evaluated designs inside the process."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import Figure, Subject, Target
from benchmarks.timing import fastest_process, fastest_s

RATES = (25.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0)
_CDF = "data/azure_cdf.json"
_POOLS = ("whatif", "--cdf", _CDF, "--long-max-ctx", "8192")
QUESTIONS = {
    "rates": (*_POOLS, "--gpu-short", "h100", "--gpu-long", "h100",
              "--lam-range", *(f"{rate:g}" for rate in RATES)),
    "GPUs": (*_POOLS, "--gpu-compare", "a10g", "a100", "h100"),
}  # fmt: skip
_GAMMAS = 11
"""Factors of compression that vllm-sr-sim sweeps at each rate; each makes a design."""
_PEER = "import sys; from run_sim import main; main(sys.argv[1:])"


def measure() -> Iterator[Figure]:
    """Seconds of each command, and designs per second."""
    for name, arguments in QUESTIONS.items():
        own = fastest_process(arguments, repeats=3).seconds
        yield Figure(f"fleetopt whatif, {name}", own, "s")
        if find_spec("run_sim"):
            peer = fastest_process(arguments, repeats=3, start=_PEER).seconds
            yield Figure(f"vllm-sr-sim whatif, {name}", peer, "s")
            yield Figure(f"vllm-sr-sim / fleetopt, {name}", peer / own, "times",
                         Target("at least", 1.0))  # fmt: skip
    yield from _designs()


def _designs() -> Iterator[Figure]:
    """Designs, that is sizes of two pools, per second; both tools in one process."""
    from fleetopt.problem import WhatIf
    from fleetopt.questions.whatif import when_to_add

    stated = WhatIf(
        cdf="azure", gpu_short="h100", gpu_long="h100", long_max_ctx=8192, lam_range=RATES
    )
    designs = len(when_to_add(stated).steps) + len(RATES)
    own = designs / fastest_s(lambda: when_to_add(stated), 5)
    yield Figure("fleetopt, designs", own, "1/s")
    if not find_spec("run_sim"):
        return
    from run_sim import GPU_REGISTRY, load_cdf
    from run_sim import _whatif_single as swept

    cdf, gpu = load_cdf(str(Path(_CDF))), GPU_REGISTRY["h100"]
    seconds = fastest_s(lambda: swept(cdf, RATES, gpu, gpu, 4096, 500.0, 8192), 3)
    peer = len(RATES) * _GAMMAS / seconds
    yield Figure("vllm-sr-sim, designs", peer, "1/s")
    yield Figure("fleetopt / vllm-sr-sim, designs", own / peer, "times", Target("at least", 20))


SUBJECT = Subject("whatif", "growth and GPUs, beside vllm-sr-sim", measure)
