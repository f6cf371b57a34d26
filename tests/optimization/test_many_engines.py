"""Hundreds of engine configurations: few tables are made, and none that matters is left out."""

from __future__ import annotations

import math

import pytest

from benchmarks.engine_configurations import measured, problem
from fleetopt.case import Case
from fleetopt.optimization.design import Design, arcs_on, maker
from fleetopt.problem import EngineChoices, FleetProblem
from fleetopt.queueing.floor import RowFloors


def test_few_tables_are_made() -> None:
    """About 70 of 145,000, and 20 of their rows; without the bounds every one of them."""
    found = measured(problem(1))
    assert found.configurations > 800
    assert found.tables < 0.001 * found.arcs
    assert found.rows < 50
    assert math.isfinite(found.usd_per_hour)


def small(**keys: object) -> Case:
    engine = EngineChoices(tp=(1, 2, 4), weights=("bf16", "fp8"), token_budget=(512, 8192))
    stated = {"model": "llama-3.1-70b", "gpus": ("h100", "l40s"), "engine": engine, "cdf": "azure",
              "arrival_rate": 20.0, "thresholds": (2048,), **keys}  # fmt: skip
    return Case.of(FleetProblem.model_validate(stated))


@pytest.mark.parametrize("slo", ["p99 ttft 60", "p50 tpot 20", "p90 e2e 4000"])
@pytest.mark.parametrize("admission", ["reserved", "paged"])
def test_no_row_is_below_its_bound(slo: str, admission: str) -> None:
    """What is called impossible has no admissible row, and no row has fewer replicas."""
    case = small(slo=[slo], admission=admission)
    pools = case.arcs()
    floors, impossible = RowFloors(case, pools), 0
    for profile in case.profiles:
        known = dict(zip(pools, floors.least([profile])[0].tolist(), strict=True))
        has_room = set(arcs_on(case, profile))
        assert all(math.isinf(known[what]) for what in pools if what not in has_room)
        for what in has_room:
            least = maker(case, profile)(what, case.pool_rate(what)).min_replicas(grey=True)
            assert least is None or least >= known[what]
            impossible += math.isinf(known[what])
    assert impossible > 0 or slo.startswith("p90")


def test_the_rows_of_all_configurations_are_in_the_whole_program() -> None:
    case = small()
    names = {candidate.profile for candidate in Design(case, grey=False).candidates}
    assert names <= {profile.name for profile in case.profiles}
    assert len(names) > 6
