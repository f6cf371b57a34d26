"""CBC on random small programs with side constraints: the optimum is that of HiGHS."""

from __future__ import annotations

import math

import pytest
from enumeration import fleets
from side_constraints import NAMES, random_hardware, random_side

from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver, Solution, SolveOptions


@pytest.mark.usefixtures("cbc")
@pytest.mark.parametrize("seed", range(24))
def test_the_same_optimum(seed: int) -> None:
    """Termination, objective and bound, feasible or not."""
    problem = random_hardware(seed)
    side = random_side([NAMES[seed % len(NAMES)]], fleets(problem), seed)

    def solved(name: str) -> Solution:
        points, most = problem.num_breakpoints, problem.max_pools
        model = build(problem.candidates, points, most, side)
        return ProgramSolver(model, SolveOptions(name=name)).solve()

    own, other = solved("highs"), solved("cbc")
    assert other.termination is own.termination
    assert other.objective == pytest.approx(own.objective)
    if math.isfinite(own.objective):
        assert other.bound == pytest.approx(own.bound)
