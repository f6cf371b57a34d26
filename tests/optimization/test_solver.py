"""The seam to HiGHS: why it stopped, what is held, and cuts that come and go."""

from __future__ import annotations

import io
import math
import random

import pyomo.core as pyo
import pytest
import small_fleet

from fleetopt.case import Case
from fleetopt.errors import StoppedError
from fleetopt.optimization.design import Design
from fleetopt.optimization.solution import raise_unless_told
from fleetopt.optimization.solver import (
    Holding,
    ProgramSolver,
    SolveOptions,
    Termination,
)
from fleetopt.problem import FleetProblem


def test_optimal() -> None:
    """The bound meets the objective."""
    solution = ProgramSolver(small_fleet.model()).solve()
    assert solution.termination is Termination.OPTIMAL
    assert solution.holding is Holding.OPTIMAL
    assert solution.bound == pytest.approx(solution.objective)
    assert solution.gap == pytest.approx(0.0)
    assert solution.seconds > 0


def test_infeasible_is_a_result() -> None:
    """No exception: infinite cost, and the proof in the termination."""
    model = small_fleet.model()
    model.impossible = pyo.Constraint(expr=model.cost <= 1)
    solution = ProgramSolver(model).solve()
    assert (solution.termination, solution.holding) == (Termination.INFEASIBLE, Holding.NONE)
    assert math.isinf(solution.usd_per_hour)
    assert solution.chosen == ()


def test_unbounded_is_a_result() -> None:
    """A user's variable without a lower bound in the objective."""
    model = small_fleet.model()
    model.loose = pyo.Var()
    model.least_cost.set_value(model.cost + model.loose)
    solution = ProgramSolver(model).solve()
    assert solution.termination in {Termination.UNBOUNDED, Termination.INFEASIBLE_OR_UNBOUNDED}
    assert solution.holding is Holding.NONE


def market_split_model() -> pyo.ConcreteModel:
    """The small fleet beside a market-split problem that keeps branch and bound busy."""
    model, rng = small_fleet.model(), random.Random(0)
    model.split = pyo.Var(range(60), domain=pyo.Binary)
    model.slack = pyo.Var(range(10), bounds=(0, None))

    def balanced(model: pyo.ConcreteModel, row: int) -> object:
        weights = [rng.randrange(100) for _ in model.split]
        total = sum(w * model.split[i] for i, w in enumerate(weights))
        return total + model.slack[2 * row] - model.slack[2 * row + 1] == sum(weights) // 2

    model.balanced = pyo.Constraint(range(5), rule=balanced)
    model.least_cost.set_value(model.cost + sum(model.slack.values()))
    return model


def test_time_limit_holds_what_was_found_so_far() -> None:
    """The limit is for each solve, and the bound stays below what is held.

    Without one the search still runs after minutes: whatever delays this one, it was stopped.
    """
    solver = ProgramSolver(market_split_model(), SolveOptions(time_limit_s=0.2))
    for _ in range(2):
        solution = solver.solve()
        assert solution.termination is Termination.TIME_LIMIT
        assert solution.holding is Holding.FEASIBLE
        assert solution.chosen
        assert solution.bound < solution.objective < math.inf
        assert 0.1 < solution.seconds < 120.0


@pytest.mark.parametrize("limit", [0, 1])
def test_node_limit_holds_what_was_found_so_far(limit: int) -> None:
    """Limits on GPUs and power make whole nodes a puzzle; the bound stays below what is held."""
    stated = FleetProblem(arrival_rate=3000.0, power_kw=60.0, max_gpus=110, max_pools=6)
    model = Design(Case.of(stated), grey=False).opened()
    optimum = ProgramSolver(model).solve()
    assert optimum.termination is Termination.OPTIMAL
    stopped = ProgramSolver(model, SolveOptions(node_limit=limit)).solve()
    assert stopped.termination is Termination.NODE_LIMIT
    assert stopped.holding is Holding.FEASIBLE
    assert stopped.bound < optimum.objective <= stopped.objective + 1e-6
    assert stopped.gap == pytest.approx(1 - stopped.bound / stopped.objective)


def test_a_limit_without_a_fleet_is_told_as_such() -> None:
    """An infeasible program that needs a search: nothing is held, nothing is proved."""
    model = market_split_model()
    model.exactly = pyo.Constraint(expr=sum(model.slack.values()) == 0)
    solution = ProgramSolver(model, SolveOptions(node_limit=1)).solve()
    assert (solution.termination, solution.holding) == (Termination.NODE_LIMIT, Holding.NONE)
    assert solution.bound == pytest.approx(5.0)
    with pytest.raises(StoppedError, match=r"node limit before .* bound on the objective is 5;"):
        raise_unless_told(solution)


def test_the_log_goes_where_it_is_sent(capfd: pytest.CaptureFixture[str]) -> None:
    """To a stream, and not to standard output."""
    log = io.StringIO()
    ProgramSolver(small_fleet.model(), SolveOptions(log=log)).solve()
    assert "HiGHS" in log.getvalue()
    assert capfd.readouterr() == ("", "")


def test_gap() -> None:
    """A wide gap stops the search early and is told as such."""
    solver = ProgramSolver(market_split_model(), SolveOptions(relative_gap=0.9))
    solution = solver.solve()
    assert solution.termination is Termination.GAP
    assert solution.holding is Holding.FEASIBLE
    assert 0 < solution.gap <= 0.9
    assert solution.gap == pytest.approx(1 - solution.bound / solution.objective)


def test_solvers_with_other_threads_in_one_process() -> None:
    """HiGHS keeps one scheduler in a process; each solver gets the threads it asked for."""
    solvers = [
        ProgramSolver(small_fleet.model(), SolveOptions(threads=n, seed=n)) for n in (1, 2, 0)
    ]
    for solver in (*solvers, *solvers):
        assert solver.solve().objective == pytest.approx(5.0)


def test_refusal_takes_smaller_rows_too() -> None:
    """Refusing three replicas refuses two; the count of rows left says when none is."""
    solver = ProgramSolver(small_fleet.model())
    first = small_fleet.CANDIDATES[0]
    assert solver.refuse(first, 1) == 2
    assert solver.solve().objective == pytest.approx(5.0)
    assert solver.refuse(first, 3) == 0
    assert [c.index for c, _ in solver.solve().chosen] == [3]


def test_next_best_in_order_and_release() -> None:
    """Four fleets cost 5, 6, 6 and 7 USD/h; afterwards the best one is back."""
    solver = ProgramSolver(small_fleet.model())
    costs = [solver.next_best().objective for _ in range(4)]
    assert costs == pytest.approx([5, 6, 6, 7])
    solver.release()
    assert solver.next_best().objective == pytest.approx(5)


def test_best_ends_with_the_last_fleet() -> None:
    """Ten in all: 2 rows of candidate 0 with 4 of candidates 1 and 2, and 2 of candidate 3."""
    solver = ProgramSolver(small_fleet.model())
    found = solver.best(99)
    assert len(found) == 10
    assert [s.objective for s in found] == sorted(s.objective for s in found)


def test_restriction_ends_when_the_context_fails() -> None:
    """An exception inside the context leaves no restriction behind."""
    solver = ProgramSolver(small_fleet.model())
    with pytest.raises(ZeroDivisionError), solver.restricted(lambda candidate, _: False):
        1 / len(solver.solve().chosen)
    assert solver.solve().objective == pytest.approx(5.0)


def test_empty_restriction_is_infeasible_and_temporary() -> None:
    """Nothing kept means no fleet, only within the context."""
    solver = ProgramSolver(small_fleet.model())
    with solver.restricted(lambda candidate, row: False):
        assert solver.solve().termination is Termination.INFEASIBLE
    assert solver.solve().holding is Holding.OPTIMAL


def test_new_solver_starts_without_cuts() -> None:
    """A model may be solved again from the start, even after a solver refused all of it."""
    model = small_fleet.model()
    first = ProgramSolver(model)
    for candidate in small_fleet.CANDIDATES:
        first.refuse(candidate, 9)
    assert first.solve().termination is Termination.INFEASIBLE
    assert ProgramSolver(model).solve().objective == pytest.approx(5.0)


def test_solver_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """HiGHS keeps quiet."""
    ProgramSolver(small_fleet.model()).solve()
    assert capfd.readouterr() == ("", "")


def test_of_equally_good_fleets_the_simplest() -> None:
    """Without the fleet of 5 USD/h there are two of 6: of two pools, and of one."""
    model = small_fleet.model()
    solver = ProgramSolver(model)
    solver.refuse(model.candidate[0], 2)
    found = solver.simplest()
    assert found.objective == pytest.approx(6.0)
    assert [candidate.index for candidate, _ in found.chosen] == [3]


def test_a_simpler_fleet_that_costs_more_changes_nothing() -> None:
    """The cheapest has two pools; solution, model and the next best are as without the look."""
    model = small_fleet.model()
    solver = ProgramSolver(model)
    found = solver.simplest()
    assert found.usd_per_hour == pytest.approx(5.0)
    assert pyo.value(model.cost) == pytest.approx(5.0)
    assert pyo.value(model.pools) == pytest.approx(2.0)
    assert solver.next_best().objective == pytest.approx(6.0)
