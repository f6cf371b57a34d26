"""Programs that a user has changed: solved as they are, refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyomo.core as pyo
import pytest

from fleetopt import FleetProblem, InfeasibleError, InputError, build_program, solve, solve_program

KEYS = {"gpus": ("a100", "h100"), "max_pools": 2, "verification": {"enabled": False}}


@pytest.fixture
def model() -> Any:
    """The program of a small problem."""
    return build_program(FleetProblem.model_validate(KEYS))


def test_without_changes_it_is_the_plan_of_solve(model: Any) -> None:
    """The same fleet at the same cost, twice."""
    expected = solve(FleetProblem.model_validate(KEYS))
    for _ in range(2):
        plan = solve_program(model)
        assert plan.fleet == expected.fleet
        assert plan.cost == expected.cost


def test_expressions_have_the_values_of_the_plan(model: Any) -> None:
    """GPUs, shares, power and percentiles of the pools that are built."""
    plan = solve_program(model)
    built = [c for c in model.candidates if pyo.value(model.open[c]) > 0.5]
    built.sort(key=lambda c: model.candidate[c].start)
    assert len(built) == len(plan.fleet.pools)
    for c, pool, seen in zip(built, plan.fleet.pools, plan.prediction.pools, strict=True):
        assert pyo.value(model.pool_gpus[c]) == pytest.approx(pool.gpus)
        assert pyo.value(model.share[c]) == pytest.approx(pool.arrival_rate / 100.0)
        assert pyo.value(model.p99_ttft[c]) == pytest.approx(seen.p99_ttft_ms)
        assert pyo.value(model.p99_tpot[c]) == pytest.approx(seen.p99_tpot_ms)
        assert pyo.value(model.p99_e2e[c]) == pytest.approx(seen.p99_e2e_ms)
    power = sum(pyo.value(model.pool_power[c]) for c in built)
    assert pyo.value(model.power) == pytest.approx(power)
    assert 0.3 * plan.fleet.gpus < power < 0.6 * plan.fleet.gpus


def test_a_percentile_can_be_capped_below_the_slo(model: Any) -> None:
    """More replicas than the least are there to meet it."""
    loose = solve_program(model)
    worst = max(pool.p99_ttft_ms or 0.0 for pool in loose.prediction.pools)
    arcs = [c for c in model.leaving[0] if c in set(model.entering[model.breakpoints.last()])]
    for c in model.candidates:
        if c not in arcs:
            for index in model.rows_of[c]:
                model.z[index].fix(0)
    one_pool = solve_program(model)
    worst = one_pool.prediction.pools[0].p99_ttft_ms or 0.0
    model.faster = pyo.Constraint(arcs, rule=lambda m, c: m.p99_ttft[c] <= 0.97 * worst)
    faster = solve_program(model)
    assert (faster.prediction.pools[0].p99_ttft_ms or 0.0) <= 0.97 * worst
    assert faster.cost.usd_per_year > one_pool.cost.usd_per_year


def test_own_objective_and_a_copy_of_the_program(model: Any) -> None:
    """Fewest H100 costs more; the program that was copied stays as it was."""
    other = model.clone()
    other.least_cost.deactivate()
    other.fewest_h100 = pyo.Objective(expr=other.gpus["h100"])
    without, cheapest = solve_program(other), solve_program(model)
    assert pyo.value(other.gpus["h100"]) == pytest.approx(0)
    assert pyo.value(model.gpus["h100"]) >= 1
    assert without.cost.usd_per_year > cheapest.cost.usd_per_year


def test_verified_within_the_users_constraints(model: Any) -> None:
    """The fleet that passes keeps the constraint as well."""
    model.no_h100 = pyo.Constraint(expr=model.gpus["h100"] <= 0)
    plan = solve_program(model, verify=True)
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    assert {pool.gpu for pool in plan.fleet.pools} == {"a100"}


def _two_objectives(model: Any) -> None:
    model.second = pyo.Objective(expr=model.pools)


def _no_objective(model: Any) -> None:
    model.least_cost.deactivate()


def _unbounded(model: Any) -> None:
    model.x = pyo.Var()
    model.least_cost.set_value(model.x)


def _products(model: Any) -> None:
    model.product = pyo.Constraint(expr=model.cost * model.pools <= 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_two_objectives, "model: expected one active objective, got 2 (deactivate model.least"),
        (_no_objective, "model: expected one active objective, got 0"),
        (_unbounded, "model: the objective has no bound"),
        (_products, "model.product: must be linear in the variables"),
    ],
)
def test_programs_that_cannot_be_solved(
    model: Any, change: Callable[[Any], None], said: str
) -> None:
    """One message each, before or instead of an answer."""
    change(model)
    with pytest.raises(InputError) as refused:
        solve_program(model)
    assert str(refused.value).startswith(said)


def test_constraints_that_leave_nothing_and_models_from_elsewhere(model: Any) -> None:
    """No fleet has nine pools here, and an empty model is none of ours."""
    model.many = pyo.Constraint(expr=model.pools >= 9)
    with pytest.raises(InfeasibleError, match="no fleet meets the program and the constraints"):
        solve_program(model)
    with pytest.raises(InputError, match="expected a program from build_program"):
        solve_program(pyo.ConcreteModel())
