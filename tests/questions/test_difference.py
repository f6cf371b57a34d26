"""Two plans compared: the steps lead from one problem to the other."""

from __future__ import annotations

import pytest

from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem
from fleetopt.questions.difference import compare, differing_keys
from fleetopt.report.console import render
from fleetopt.report.difference import difference_report, difference_to_dict
from fleetopt.study import solve


def plan(**keys: object) -> Plan:
    """An unverified plan; azure lengths within 8192 tokens unless the keys say otherwise."""
    stated = {"cdf": "azure", "max_context": 8192, "verification": {"enabled": False}, **keys}
    return solve(FleetProblem.model_validate(stated))


@pytest.fixture(scope="module")
def base() -> Plan:
    return plan()


def test_one_step_for_each_differing_key(base: Plan) -> None:
    """The last step is the second plan; a step alone is the first problem with one change."""
    other = plan(arrival_rate=150.0, gpus=["h100"], slo=[{"limit_ms": 300.0}], headroom=0.0)
    found = compare(base, other)
    assert [step.key for step in found.steps] == ["arrival_rate", "slo", "gpus"]
    assert found.base_usd_per_year == pytest.approx(base.cost.usd_per_year)
    last = found.steps[-1]
    assert last.so_far_usd_per_year == pytest.approx(other.cost.usd_per_year)
    assert last.fleet == other.fleet
    for step, keys in zip(
        found.steps,
        ({"arrival_rate": 150.0}, {"slo": [{"limit_ms": 300.0}]}, {"gpus": ["h100"]}),
        strict=True,
    ):
        assert step.alone_usd_per_year == pytest.approx(plan(**keys).cost.usd_per_year)


def test_a_gpu_that_only_the_second_plan_knows(base: Plan) -> None:
    """Its profile comes along, and a new price of a known one is a difference of its own."""
    spec = base.problem.profiles[-1]
    own = spec.model_copy(update={"name": "own", "gpu": "own", "usd_per_hour": 1.0})
    added = plan(gpus=["a10g", "own"], profiles=[own.model_dump()])
    assert differing_keys(base.problem, added.problem) == ["gpus"]
    assert compare(base, added).steps[-1].fleet == added.fleet
    cheaper = spec.model_copy(update={"usd_per_hour": 0.5 * spec.usd_per_hour})
    repriced = plan(profiles=[cheaper.model_dump()])
    assert differing_keys(base.problem, repriced.problem) == ["profiles"]
    (step,) = compare(base, repriced).steps
    assert step.so_far_usd_per_year == pytest.approx(repriced.cost.usd_per_year)


def test_the_same_plan_has_no_difference(base: Plan) -> None:
    """And says so."""
    found = compare(base, base)
    assert found.steps == ()
    text = render(difference_report(found, 100), 100)
    assert "The problems and the fleets are the same." in text


def test_a_step_that_no_fleet_meets(base: Plan) -> None:
    """An impossible SLO on the way is shown as such, not raised."""
    slow = plan(gpus=["a10g"], slo=[{"limit_ms": 900.0}])
    fast = plan(gpus=["h100"], slo=[{"limit_ms": 60.0}])
    found = compare(slow, fast)
    by_key = {step.key: step for step in found.steps}
    assert by_key["slo"].fleet is None
    rows = {row["key"]: row for row in difference_to_dict(found)["rows"]}
    assert rows["slo"]["so_far_usd_per_year"] is None
    assert "none meets the problem" in render(difference_report(found, 140), 140)
    assert found.steps[-1].fleet == fast.fleet
