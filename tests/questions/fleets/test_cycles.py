"""Arrivals in bursts: runs that cover them, and stable pools that are not called unstable."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.problem import FleetSimulation
from fleetopt.questions.fleets import scenario_of, simulate
from fleetopt.questions.fleets.watching import CYCLES
from fleetopt.workload.stated import arrival_process

POOLS = (
    {"id": "short", "gpu": "h100", "n_gpus": 2, "max_ctx": 4096},
    {"id": "long", "gpu": "h100", "n_gpus": 4, "max_ctx": 8192},
)


def stated(arrivals: str, **keys: object) -> FleetSimulation:
    plain = {"pools": POOLS, "cdf": "azure", "lam": 100.0, "arrivals": arrivals}
    return FleetSimulation.model_validate({**plain, **keys})


def test_runs_cover_bursts_and_say_if_they_do_not() -> None:
    process = arrival_process("mmpp:2000:20", 100.0)
    cycle_s = process.burst_s + process.quiet_s  # type: ignore[attr-defined]
    whole = scenario_of(stated("mmpp:2000:20"))
    assert whole.too_short == ""
    assert whole.horizon.measured_s == pytest.approx(CYCLES * cycle_s)
    cut = scenario_of(stated("mmpp:2000:20", n_req=60_000))
    assert "bursts and lulls need" in cut.too_short
    assert scenario_of(stated("poisson", n_req=60_000)).too_short == ""


def test_a_stable_pool_with_long_bursts_is_not_unstable() -> None:
    """It works at 0.73 of its rate, so its line is as often shorter as it is longer."""
    simulation = simulate(stated("mmpp:2000:20", replications=6))
    short = simulation.pools[0]
    assert short.requests.unfinished == 0
    assert simulation.standing == "fail"
    slopes = [run.pools["short"].growth_per_s for run in simulation.runs]
    assert np.min(slopes) < 0.0 < np.max(slopes)
