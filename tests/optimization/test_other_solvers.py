"""Solvers of the user's own, held to HiGHS; CBC comes with a package of the test extra."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import pyomo.core as pyo
import pytest
import small_fleet
from test_solver import market_split_model

from fleetopt.errors import InputError
from fleetopt.optimization.other import available
from fleetopt.optimization.solver import (
    Holding,
    ProgramSolver,
    SolveOptions,
    Termination,
)

pytestmark = pytest.mark.usefixtures("cbc")


def test_optimum_bound_and_cuts() -> None:
    """The same fleets in the same order, and rows that are refused stay out."""
    solver = ProgramSolver(small_fleet.model(), SolveOptions(name="cbc"))
    costs = [solver.next_best().objective for _ in range(4)]
    assert costs == pytest.approx([5, 6, 6, 7])
    solver.release()
    first = solver.solve()
    assert first.termination is Termination.OPTIMAL
    assert first.bound == pytest.approx(5.0)
    solver.refuse(small_fleet.CANDIDATES[0], 3)
    assert [c.index for c, _ in solver.solve().chosen] == [3]


def test_infeasible_is_a_result() -> None:
    model = small_fleet.model()
    model.impossible = pyo.Constraint(expr=model.cost <= 1)
    solution = ProgramSolver(model, SolveOptions(name="cbc")).solve()
    assert (solution.termination, solution.holding) == (Termination.INFEASIBLE, Holding.NONE)


def test_a_greatest_value_has_its_bound_above() -> None:
    """The dearest fleet of the small program costs 12 USD/h."""
    model = small_fleet.model()
    model.least_cost.deactivate()
    model.most_cost = pyo.Objective(expr=model.cost, sense=pyo.maximize)
    solution = ProgramSolver(model, SolveOptions(name="cbc")).solve()
    reference = ProgramSolver(model).solve()
    assert solution.objective == pytest.approx(reference.objective)
    assert solution.bound == pytest.approx(reference.bound)


@pytest.mark.parametrize(
    ("options", "termination"),
    [
        (SolveOptions(name="cbc", node_limit=5), Termination.NODE_LIMIT),
        (SolveOptions(name="cbc", time_limit_s=0.3), Termination.TIME_LIMIT),
        (SolveOptions(name="cbc", relative_gap=0.9), Termination.GAP),
    ],
)
def test_limits_reach_the_solver(options: SolveOptions, termination: Termination) -> None:
    """It stops with a fleet and a bound below it."""
    solution = ProgramSolver(market_split_model(), options).solve()
    assert solution.termination is termination
    assert solution.holding is Holding.FEASIBLE
    assert -math.inf < solution.bound < solution.objective


def test_its_log_goes_where_it_is_sent(capfd: pytest.CaptureFixture[str]) -> None:
    log = io.StringIO()
    ProgramSolver(small_fleet.model(), SolveOptions(name="cbc", log=log)).solve()
    assert "CBC" in log.getvalue()
    assert capfd.readouterr() == ("", "")


def test_solvers_that_are_not_there() -> None:
    """One message that names those that are."""
    assert {"highs", "cbc"} <= set(available())
    for name in ("no_such", "appsi_highs"):
        with pytest.raises(InputError, match=rf"solver.name: .*'{name}'.*available: highs.*cbc"):
            ProgramSolver(small_fleet.model(), SolveOptions(name=name))


def test_options_that_a_solver_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GLPK has no node limit and no threads; both are told at once."""
    tool = tmp_path / "glpsol"
    tool.write_text("#!/bin/sh\necho 'GLPSOL--GLPK LP/MIP Solver 5.0'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError) as refused:
        ProgramSolver(small_fleet.model(), SolveOptions(name="glpk", node_limit=3, threads=2))
    assert [fault.place for fault in refused.value.faults] == [
        "solver.threads",
        "solver.node_limit",
    ]
