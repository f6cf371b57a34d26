"""The model that users extend: its components, their values, and own constraints."""

from __future__ import annotations

from dataclasses import replace

import pyomo.core as pyo
import pytest
import small_fleet

from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.interface import parts
from fleetopt.optimization.limits import SideConstraints, Site
from fleetopt.optimization.program import build
from fleetopt.optimization.shortest_path import shortest_path
from fleetopt.optimization.solver import ProgramSolver, Solution, Termination

DOCUMENTED = (
    *("candidates", "rows", "breakpoints", "gpu_types"),
    *("candidate", "row", "rows_of", "leaving", "entering"),
    *("node_size", "spare_price"),
    *("z", "nodes", "open", "pool_cost", "pool_rate", "pools", "cost", "gpus", "gpus_bought"),
    *(
        "total_gpus",
        "power",
        "flow_conservation",
        "pool_limit",
        "inventory",
        "gpu_limit",
        "power_limit",
    ),
    *("budget", "whole_nodes", "least_replicas", "least_cost"),
    *("mean_power", "energy", "carbon", "mean_power_limit", "energy_limit", "carbon_limit"),
)
EVERYTHING = SideConstraints(
    inventory={"a": 8, "b": 8},
    max_gpus=16,
    power_kw=9.0,
    budget_usd_per_year=1e6,
    node_size=4,
    min_replicas=2,
    mean_power_kw=8.0,
    energy_mwh_per_year=90.0,
    carbon_tonnes_per_year=40.0,
    site=Site(1.2, 400.0),
)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_component_exists_and_is_documented(name: str) -> None:
    """What is documented is there, and the interface lists it."""
    assert hasattr(small_fleet.model(side=EVERYTHING), name)
    assert name in {part.name for part in parts()}


def test_nothing_is_undocumented() -> None:
    """Every set, variable, expression, constraint and objective is on the list."""
    model = small_fleet.model(side=EVERYTHING)
    assert {component.name for component in model.component_objects()} <= set(DOCUMENTED)


def test_expressions_describe_the_optimum() -> None:
    """After a solve every expression has the value of the fleet that was chosen."""
    model = small_fleet.model()
    solution = ProgramSolver(model).solve()
    assert [(c.index, row.replicas) for c, row in solution.chosen] == [(0, 2), (2, 1)]
    assert pyo.value(model.cost) == pytest.approx(5.0)
    assert pyo.value(model.pools) == pytest.approx(2)
    assert [pyo.value(model.gpus[gpu]) for gpu in ("a", "b")] == pytest.approx([2, 2])
    assert [pyo.value(model.gpus_bought[gpu]) for gpu in ("a", "b")] == pytest.approx([2, 2])
    assert pyo.value(model.power) == pytest.approx(1.8)
    assert [pyo.value(model.open[c]) for c in range(4)] == pytest.approx([1, 0, 1, 0])
    assert [pyo.value(model.pool_cost[c]) for c in range(4)] == pytest.approx([2, 0, 3, 0])
    assert [pyo.value(model.pool_rate[c]) for c in range(4)] == pytest.approx([80, 0, 20, 0])


def test_pool_limit_binds() -> None:
    """With one pool only candidate 3 is left."""
    solution = ProgramSolver(small_fleet.model(max_pools=1)).solve()
    assert [(c.index, row.replicas) for c, row in solution.chosen] == [(3, 2)]


def test_own_constraint() -> None:
    """A user's cap on one type sends the solver to the best fleet without it."""
    model = small_fleet.model()
    model.no_b = pyo.Constraint(expr=model.gpus["b"] <= 1)
    solution = ProgramSolver(model).solve()
    assert [c.index for c, _ in solution.chosen] == [0, 1]
    assert solution.objective == pytest.approx(7.0)


def test_own_variables_survive_cuts() -> None:
    """Whole nodes of four GPUs: their integer variable is part of every re-solve."""
    model = small_fleet.model()
    model.nodes = pyo.Var(domain=pyo.NonNegativeIntegers)
    model.whole_nodes = pyo.Constraint(expr=model.gpus["a"] + model.gpus["b"] <= 4 * model.nodes)
    model.least_cost.set_value(model.cost + 10 * model.nodes)
    solver = ProgramSolver(model)
    first = solver.solve()
    assert first.objective == pytest.approx(15.0)
    assert first.usd_per_hour == pytest.approx(5.0)
    solver.refuse(*_refusal(first, 0))
    second = solver.solve()
    assert second.objective == pytest.approx(16.0)
    assert [c.index for c, _ in second.chosen] == [3]


def test_nodes_are_counted_whatever_the_objective_is() -> None:
    """Fewest replicas: two of b use four GPUs of a node of eight."""
    model = small_fleet.model(side=SideConstraints(node_size=8))
    model.least_cost.deactivate()
    model.fewest = pyo.Objective(expr=model.pools)
    solution = ProgramSolver(model).solve()
    assert [c.index for c, _ in solution.chosen] == [3]
    assert pyo.value(model.nodes["b"]) == pytest.approx(1)
    assert pyo.value(model.gpus_bought["b"]) == pytest.approx(8)
    assert pyo.value(model.cost) == pytest.approx(12.0)
    assert solution.usd_per_hour == pytest.approx(12.0)


def _refusal(solution: Solution, pool: int) -> tuple[Candidate, int]:
    candidate, row = solution.chosen[pool]
    return candidate, row.replicas


def test_own_objective() -> None:
    """Fewest GPUs instead of least cost; the cost is still told."""
    model = small_fleet.model()
    model.least_cost.deactivate()
    model.fewest = pyo.Objective(expr=-model.gpus["a"], sense=pyo.minimize)
    solution = ProgramSolver(model).solve()
    assert [row.replicas for _, row in solution.chosen] == [3, 6]
    assert solution.objective == pytest.approx(-9.0)
    assert solution.usd_per_hour == pytest.approx(9.0)


def test_fixed_binaries_are_respected() -> None:
    """A user may fix z: what is fixed stays fixed through cuts."""
    model = small_fleet.model()
    model.z[0, 0].fix(0)
    model.z[1, 1].fix(1)
    solver = ProgramSolver(model)
    solution = solver.solve()
    assert [(c.index, row.replicas) for c, row in solution.chosen] == [(0, 3), (1, 6)]
    solver.refuse(*_refusal(solution, 1))
    assert solver.solve().termination is Termination.INFEASIBLE
    assert (model.z[0, 0].value, model.z[1, 1].value) == (0, 1)


def test_breakpoint_without_arcs_is_infeasible() -> None:
    """If no arc reaches the end, or there is no candidate at all, no fleet exists."""
    for candidates in (small_fleet.CANDIDATES[:1], small_fleet.CANDIDATES[1:3], ()):
        solution = ProgramSolver(build(candidates, 3, 2)).solve()
        assert solution.termination is Termination.INFEASIBLE
        assert shortest_path(candidates, 3, 2).chosen == ()


def test_pools_come_in_order_of_their_arcs() -> None:
    """The short pool is read first, whatever the candidates' order."""
    reversed_order = tuple(replace(c, index=9 - c.index) for c in reversed(small_fleet.CANDIDATES))
    solution = ProgramSolver(build(reversed_order, 3, 2)).solve()
    assert [c.start for c, _ in solution.chosen] == [0, 1]
