"""The best fleets of one kind: of one pool, of one GPU type, of several types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack

import pyomo.core as pyo
from pyomo.core.expr import LinearExpression

from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.solver import ProgramSolver, Solution


class ComparedFleets(ABC):
    """What a design is compared with; each restricts its program for one solve."""

    case: Case
    candidates: tuple[Candidate, ...]

    @property
    @abstractmethod
    def program(self) -> pyo.ConcreteModel:
        """The program."""

    @property
    @abstractmethod
    def _solver(self) -> ProgramSolver:
        """What solves it."""

    @abstractmethod
    def own_objective(self) -> pyo.Objective | None:
        """The user's objective, if there is one."""

    def best_of_one_pool(self) -> Solution:
        """The cheapest fleet of a single pool."""
        last = len(self.case.nodes) - 1
        with self._solver.restricted(lambda c, _: c.start == 0 and c.end == last):
            return self._solver.solve()

    def best_of_one_type(self) -> Solution:
        """The cheapest fleet of a single GPU type; by the user's objective if there is one."""
        found = [self.best_of_type(gpu) for gpu in self.gpu_types]
        objective = self.own_objective()
        sense = 1 if objective is None else int(objective.sense)
        held = [solution for solution in found if solution.chosen]
        return min(held or found, key=lambda solution: sense * solution.objective)

    @property
    def gpu_types(self) -> Sequence[str]:
        """The GPU types that pools may have, by name."""
        return sorted({profile.gpu for profile in self.case.profiles})

    def best_of_type(self, gpu: str, pools: int | None = None) -> Solution:
        """The cheapest fleet of one GPU type; pools: of exactly so many, if stated."""
        with ExitStack() as limits:
            of_type = self._solver.restricted(lambda candidate, _: candidate.gpu == gpu)
            limits.enter_context(of_type)
            if pools is not None:
                limits.enter_context(self._solver.limited(self.program.pools == pools))
            return self._solver.solve()

    def best_mixed(self) -> Solution:
        """The cheapest fleet of at least two GPU types: one that has other pools than any type's.

        For each type g, the sum of z over the rows of other types is at least 1.
        """
        with ExitStack() as limits:
            if len({candidate.gpu for candidate in self.candidates}) < 2:
                limits.enter_context(self._solver.restricted(lambda *_: False))
            else:
                for gpu in self.gpu_types:
                    limits.enter_context(self._solver.limited(self._others_than(gpu) >= 1))
            return self._solver.solve()

    def _others_than(self, gpu: str) -> LinearExpression:
        """How many pools of other types a fleet has."""
        model = self.program
        others = [z for (c, _), z in model.z.items() if model.candidate[c].gpu != gpu]
        return LinearExpression(linear_coefs=[1] * len(others), linear_vars=others)
