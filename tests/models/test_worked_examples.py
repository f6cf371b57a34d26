"""Every worked example: its answer, that it matters, and that a second method finds it too."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from second_method import MEANINGS, Pools, best_fleets

from fleetopt import Plan, build_program, catalog, solve, solve_program
from fleetopt.plan import HOURS_PER_YEAR

EXAMPLES = sorted(MEANINGS)


def test_every_model_with_an_extension_is_here() -> None:
    named = [name for name in catalog.model_names() if catalog.read_problem(name)[0].extension]
    assert named == EXAMPLES


@cache
def unchanged(name: str) -> Any:
    """The program of an example without its extension."""
    problem, _ = catalog.read_problem(name)
    return build_program(problem.model_copy(update={"extension": None}))


@cache
def by_the_table(name: str) -> Plan:
    """The answer of an example, without simulation."""
    problem, source = catalog.read_problem(name)
    return solve_program(build_program(problem, beside=source.path.parent))


def recorded(name: str) -> Any:
    return json.loads((catalog.models_folder() / name / "expected.json").read_text())


def described(pools: Pools) -> list[tuple[int, int, str, int]]:
    return [(c.lo_tokens, c.hi_tokens, c.profile, row.replicas) for c, row in pools]


def described_plan(plan: Plan) -> list[tuple[int, int, str, int]]:
    return [(p.lo_tokens, p.hi_tokens, p.profile, p.replicas) for p in plan.fleet.pools]


def chosen(plan: Plan, name: str) -> Pools:
    """The pools of a plan as candidates and rows of the unchanged program."""
    candidates = unchanged(name).candidate.values()
    known = {(c.lo_tokens, c.hi_tokens, c.profile): c for c in candidates}
    pools = []
    for lo, hi, profile, replicas in described_plan(plan):
        candidate = known[lo, hi, profile]
        row = next(row for row in candidate.rows if row.replicas == replicas)
        pools.append((candidate, row))
    return tuple(pools)


@pytest.mark.parametrize("name", EXAMPLES)
def test_enumeration_finds_the_same(name: str) -> None:
    """The plan is one of the best fleets, and so is the recorded one."""
    plan, meaning = by_the_table(name), MEANINGS[name]
    stated = plan.cost.usd_per_hour if plan.objective is None else plan.objective.value
    best = best_fleets(unchanged(name), plan.problem.max_pools, meaning, at_most=stated + 1e-6)
    assert described_plan(plan) in [described(pools) for pools in best]
    least = meaning.objective(best[0])
    assert stated == pytest.approx(least)
    said = recorded(name)["table"]
    assert [tuple(pool.values()) for pool in said["pools"]] in [described(p) for p in best]
    assert said["usd_per_year"] == pytest.approx(plan.cost.usd_per_year)
    assert said["objective"] == pytest.approx(stated)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_extension_changes_the_answer(name: str) -> None:
    """Every cheapest fleet without it breaks the constraint, or is worse by the objective."""
    meaning, model = MEANINGS[name], unchanged(name)
    plain = solve_program(model)
    pools, plan = chosen(plain, name), by_the_table(name)
    if plan.objective is None:
        assert not meaning.keeps(pools)
        assert plan.cost.usd_per_year > plain.cost.usd_per_year
    else:
        assert meaning.objective(pools) > plan.objective.value
    without = recorded(name)["without"]["table"]
    assert without["usd_per_year"] == pytest.approx(plain.cost.usd_per_year)


def test_verified_with_its_constraint() -> None:
    """Simulation refuses a row, and the fleet that passes keeps the constraint."""
    problem, source = catalog.read_problem("spread_cost")
    plan = solve(problem, beside=source.path.parent)
    assert plan.status.refused_rows
    _assert_as_recorded(plan, "spread_cost")
    path = source.path.parent / "spread_cost.py"
    assert plan.provenance.extension == str(path.resolve())
    assert len(plan.provenance.input_sha256[plan.provenance.extension]) == 64
    for other in plan.alternatives:
        costs = [pool.gpus * _price(plan, pool.profile) for pool in other.fleet.pools]
        assert max(costs) <= 0.4 * sum(costs) + 1e-9, other


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_verified_as_recorded(name: str) -> None:
    problem, source = catalog.read_problem(name)
    _assert_as_recorded(solve(problem, beside=source.path.parent), name)


def _price(plan: Plan, profile: str) -> float:
    return catalog.profiles_of(plan.problem)[profile].usd_per_hour


def _assert_as_recorded(plan: Plan, name: str) -> None:
    said = recorded(name)["verified"]
    assert plan.verification is not None
    assert plan.verification.verdict == said["verdict"] == "pass"
    assert plan.cost.usd_per_year == pytest.approx(said["usd_per_year"])
    value = plan.cost.usd_per_hour if plan.objective is None else plan.objective.value
    assert value == pytest.approx(said["objective"])
    assert plan.cost.usd_per_year == pytest.approx(plan.cost.usd_per_hour * HOURS_PER_YEAR)
