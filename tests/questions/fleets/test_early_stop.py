"""A run that a diverging pool ends early judges the sound pools by requests that had their time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fleetopt.problem import FleetSimulation
from fleetopt.questions.fleets import Simulation, scenario_of, simulate
from fleetopt.questions.fleets.simulating import first_outcome
from fleetopt.report.fleet_records import records
from fleetopt.simulation.fleet_records import Status, Stop

SHORT = {"id": "short", "gpu": "h100", "n_gpus": 2, "max_ctx": 4096}
LONG = {"id": "long", "gpu": "a10g", "n_gpus": 1, "max_ctx": 8192}


def stated(*pools: dict[str, Any]) -> FleetSimulation:
    """E2E has a bound that nearly all requests keep, so that every lost one shows."""
    return FleetSimulation.model_validate({
        "pools": pools, "cdf": "azure", "lam": 60.0, "overlong": "reject", "replications": 4,
        "slo": ["p99 ttft 500", "p99 e2e 60000"],
    })  # fmt: skip


@pytest.fixture(scope="module")
def beside() -> Simulation:
    return simulate(stated(SHORT, LONG))


def test_a_sound_pool_is_as_good_as_alone(beside: Simulation) -> None:
    alone = simulate(stated(SHORT))
    assert alone.standing != "unstable"
    assert beside.standing == "unstable"
    assert [pool.unstable for pool in beside.pools] == [False, True]
    assert all(run.stop == Stop.DIVERGED for run in beside.runs)
    for ours, theirs in zip(
        beside.pools[0].requests.attained, alone.pools[0].requests.attained, strict=True
    ):
        assert ours.estimate is not None
        assert (
            theirs.low <= ours.estimate <= theirs.high or ours.low <= theirs.estimate <= ours.high
        )


def test_no_request_of_the_sound_pool_is_unfinished(beside: Simulation) -> None:
    """What was under way at the stop is left out, in the sound pool and in the fleet."""
    short, long = (pool.requests for pool in beside.pools)
    assert short.unfinished == 0
    assert short.arrivals > 10_000
    assert long.unfinished > 0
    assert beside.fleet.unfinished == long.unfinished
    too_long = beside.fleet.rejected["no_pool"]
    assert beside.fleet.arrivals == short.arrivals + long.arrivals + too_long


def test_counted_arrivals_end_a_longest_residence_before_the_stop() -> None:
    """The bound is above every residence without a wait that the run has seen."""
    outcome = first_outcome(scenario_of(stated(SHORT, LONG)))
    seen = records(outcome)
    last = float(seen["arrival_s"][seen["measured"]].max())
    residence_s = outcome.residence_s[0]
    assert outcome.trajectory.stopped_s - last == pytest.approx(residence_s, abs=1.0)
    mine = (outcome.column("pool") == 0) & (outcome.column("status") == Status.COMPLETED)
    served_s = outcome.column("end_s")[mine] - outcome.column("admitted_s")[mine]
    assert np.max(served_s) < residence_s
