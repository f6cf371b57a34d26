"""The nearest fleet of a problem: with its relaxation stated, the program has that fleet."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_infeasible_limits import keys_with

from fleetopt import FleetProblem, solve
from fleetopt.study.refusal import NearestFleet, Refusal, RefusalError


def refused(**keys: Any) -> Refusal:
    """Why a problem has no fleet."""
    with pytest.raises(RefusalError) as error:
        solve(FleetProblem.model_validate({"verification": {"enabled": False}, **keys}))
    return error.value.refusal


def relaxed(nearest: NearestFleet, **keys: Any) -> dict[str, Any]:
    """The problem's keys with what the nearest fleet needs."""
    for limit in nearest.relaxation:
        if limit.key.startswith("slo["):
            i = int(limit.key[4])
            bounds = [dict(bound) for bound in keys["slo"]]
            bounds[i]["limit_ms"] = limit.needed
            keys = {**keys, "slo": bounds}
        else:
            keys = keys_with(limit.key, limit.needed, **keys)  # type: ignore[arg-type]
    return keys


@pytest.mark.parametrize(
    "keys",
    [
        {"max_gpus": 3, "power_kw": 1.0},
        {"inventory": {"h100": 2}, "max_gpus": 9, "min_replicas": 2},
        {"slo": [{"limit_ms": 5.0}]},
        {"slo": [{"limit_ms": 5.0}], "max_gpus": 2},
        # one of two bounds gives
        {"slo": [{"limit_ms": 30.0}, {"metric": "tpot", "limit_ms": 1.0}], "cdf": "azure"},
        # no slot for the longest requests
        {"gpus": ["a10g"], "max_context": 4_000_000},
    ],
)
def test_with_its_relaxation_the_nearest_fleet_is_the_plan(keys: dict[str, Any]) -> None:
    """Not more than it needs, and at its cost."""
    nearest = refused(**keys).nearest
    assert nearest is not None
    assert nearest.relaxation
    wider = relaxed(nearest, **keys)
    plan = solve(FleetProblem.model_validate({"verification": {"enabled": False}, **wider}))
    assert plan.cost.usd_per_year == pytest.approx(nearest.cost.usd_per_year)
    assert plan.fleet.gpus == nearest.fleet.gpus


def test_several_bounds_give_at_once() -> None:
    """Each is named with the least that can be met, and both give."""
    keys: dict[str, Any] = {"slo": [{"limit_ms": 5.0}, {"metric": "tpot", "limit_ms": 1.0}]}
    found = refused(**keys)
    assert sum("the least that a fleet" in reason for reason in found.reasons) == 2
    assert found.nearest is not None
    assert {limit.key for limit in found.nearest.relaxation} == {
        "slo[0].limit_ms",
        "slo[1].limit_ms",
    }


def test_bounds_that_no_fleet_keeps_together_are_stretched_alike() -> None:
    """One profile reads a whole prompt at once, the other has the shorter iteration."""
    shared = {"per_sequence_s": 0.0, "calibration_context_tokens": 8192, "kv_blocks": 65536,
              "calibration_slots": 128, "usd_per_hour": 1.0}  # fmt: skip
    profiles = [
        {"name": "reader", "gpu": "x", "base_s": 0.020, "chunk_tokens": 8192, **shared},
        {"name": "writer", "gpu": "y", "base_s": 0.010, "chunk_tokens": 512, **shared},
    ]
    slo = [{"limit_ms": 60.0}, {"metric": "tpot", "limit_ms": 15.0}]
    keys: dict[str, Any] = {"cdf": [[4096, 0.5], [8192, 1.0]], "arrival_rate": 20.0}
    keys |= {"gpus": ["reader", "writer"], "profiles": profiles, "slo": slo}
    found = refused(**keys)
    stated = re.search(r"unless all are ([\d.]+) times as long$", found.reasons[1])
    assert stated is not None
    factor = float(stated[1])
    assert 1.0 < factor < 2.0
    for by, feasible in ((1.02, True), (0.98, False)):
        longer = [{**bound, "limit_ms": by * factor * bound["limit_ms"]} for bound in slo]
        wider = {**keys, "slo": longer, "verification": {"enabled": False}}
        if feasible:
            solve(FleetProblem.model_validate(wider))
        else:
            refused(**wider)
    assert found.nearest is not None
    assert len(found.nearest.relaxation) == 2


def test_the_largest_context_is_named_where_none_has_a_slot() -> None:
    """As no replica holds the longest requests, whatever the limits."""
    found = refused(gpus=["a10g"], max_context=4_000_000)
    assert "with reserved admission" in found.reasons[0]
    assert "largest context that one holds is 524,288 tokens" in found.reasons[1]
