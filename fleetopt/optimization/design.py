"""The program of a case: its tables, its candidates, and the solver that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TextIO, cast

import pyomo.core as pyo

from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.optimization.attainment import (
    attained,
    binding,
    measured,
    with_row,
)
from fleetopt.optimization.attributes import attach
from fleetopt.optimization.candidates import (
    Candidate,
    Row,
    rows_up_to,
    with_rows,
)
from fleetopt.optimization.compared import ComparedFleets
from fleetopt.optimization.extending import (
    Additions,
    additions,
    check_sound,
    excluding,
    extend,
    own_objective,
)
from fleetopt.optimization.limits import SideConstraints
from fleetopt.optimization.pools import EXTRA_ROWS as EXTRA_ROWS
from fleetopt.optimization.pools import PoolCandidates
from fleetopt.optimization.program import build, remeasure
from fleetopt.optimization.solution import solve_options as solve_options
from fleetopt.optimization.solver import Holding, ProgramSolver, Solution, checked
from fleetopt.optimization.tables import Offer as Offer
from fleetopt.optimization.tables import arcs_on as arcs_on
from fleetopt.optimization.tables import maker as maker
from fleetopt.optimization.tables import offers as offers
from fleetopt.optimization.tables import pool_tables as pool_tables
from fleetopt.optimization.tables import table_maker as table_maker
from fleetopt.queueing.table import PoolTable

Chosen = tuple[Candidate, Row]
USERS_ROWS = 8
"""The same for a user's program, whose constraints may ask for more than the least."""


class Design(ComparedFleets):
    """The fleets that may be built for a case, cheapest first.

    grey: admit rows that simulation has yet to decide.
    extra_rows: rows above the least admissible one; if absent as many as the solver likes,
        or as the case's extension may ask for. It changes the program whenever it is built.
    log: where the solver's own log goes; nowhere if absent.
    tables: of the pools that may be built; every one of the case if absent.
    drawn: give rows their mean draw even where the problem does not ask for it.
    """

    def __init__(
        self,
        case: Case,
        *,
        grey: bool,
        extra_rows: int | None = None,
        log: TextIO | None = None,
        tables: Sequence[Offer] | None = None,
        drawn: bool = False,
    ) -> None:
        self.case = case
        self._options = solve_options(case.problem, log)
        self._pools = PoolCandidates(case, grey=grey, drawn=drawn)
        self._pools.keep(offers(case) if tables is None else tables)
        self._rows = _extra_rows(case) if extra_rows is None else extra_rows
        self.candidates = self._pools.enumerated(
            self._pools.known, self._rows, case.problem.min_replicas
        )
        self._refused: dict[int, int] = {}
        self._excluded: list[Sequence[Chosen]] = []
        self._is_open = False

    @cached_property
    def _solver(self) -> ProgramSolver:
        """The program in the solver, from the first question on."""
        return self._load(self._built())

    @classmethod
    def of_program(cls, model: pyo.ConcreteModel) -> Design:
        """The fleets of a program that a user may have changed; raises InputError.

        Nothing is added to it but the rows that are refused.
        """
        if not isinstance(getattr(model, "design", None), Design):
            raise InputError.single("model", "expected a program from build_program")
        design = copy(cast(Design, model.design))
        design.hold(model)
        return design

    def hold(self, model: pyo.ConcreteModel) -> None:
        """Ask this program from now on, as it is."""
        self._refused = {}
        self._excluded = []
        self._is_open = True
        check_sound(model)
        if self._pools.is_fleet_wide:
            remeasure(model, self.candidates)  # another solve may have measured some
        self._solver = self._load(checked(model))

    def __deepcopy__(self, memo: object) -> Design:
        """Itself: a copy of a program shares the tables behind it."""
        return self

    def opened(self) -> pyo.ConcreteModel:
        """The program for a user to extend, with everything that a constraint may see."""
        return self._attached(self._built())

    def _attached(self, model: pyo.ConcreteModel) -> pyo.ConcreteModel:
        if hasattr(model, "design"):
            return model  # for the extension
        attach(model, self.table, self.case.arrival_rate)
        model.design = self
        return model

    @property
    def is_changed(self) -> bool:
        """Whether a user had a hand in the program."""
        return self._is_open or self.case.extension is not None

    @property
    def additions(self) -> Additions:
        """What a user added to the program."""
        return additions(self.program)

    def own_objective(self) -> pyo.Objective | None:
        """The objective of the problem or the user's own; None if it is the cost."""
        return own_objective(self.program)

    def excluding(self) -> tuple[str, ...]:
        """Constraints of the user that leave no fleet together; empty if others do."""
        return excluding(self.program, self._options)

    def permits(self, chosen: Sequence[Chosen]) -> bool:
        """Whether a fleet keeps every constraint but the SLO, its rows in the program or not."""
        fleet = {(c.index, row.replicas) for c, row in chosen}
        trial = copy(self)
        for candidate, row in chosen:
            rows = (
                self._pools.with_misses(candidate, [row]) if self._pools.is_fleet_wide else (row,)
            )
            trial._replace(with_rows(trial.candidates[candidate.index], rows))
        model = trial.opened()
        if self._pools.is_fleet_wide:
            model.fleet_attainment.deactivate()
        for (c, k), built in model.z.items():
            built.fix(int((c, model.row[c, k].replicas) in fleet))
        return ProgramSolver(model, self._options).solve().holding is not Holding.NONE

    def with_least(self, min_replicas: int) -> pyo.ConcreteModel:
        """The program with another least number of replicas, and no row above the least."""
        candidates = self._pools.enumerated(self.offered, 0, min_replicas)
        side = replace(self.side, min_replicas=min_replicas)
        points, max_pools = len(self.case.nodes), self.case.problem.max_pools
        return build(candidates, points, max_pools, side)

    def with_fewer(self) -> pyo.ConcreteModel:
        """The program with the rows below the least number of replicas too, and its limits."""
        side = self.side
        found = self._pools.enumerated(self.offered, 0, 1)
        least, spares = side.min_replicas, side.spares
        candidates = [replace(c, rows=rows_up_to(least, c, spares)) for c in found]
        candidates = [replace(c, rows=self._pools.with_misses(c, c.rows)) for c in candidates]
        candidates = [self._pools.with_draw(candidate) for candidate in candidates]
        return build(candidates, len(self.case.nodes), self.case.problem.max_pools, side)

    def _built(self) -> pyo.ConcreteModel:
        """The program of the present candidates."""
        points, max_pools = len(self.case.nodes), self.case.problem.max_pools
        model = build(self.candidates, points, max_pools, self.side, self._pools.goal)
        if self.case.extension is None or not self.candidates:
            return model
        extend(self._attached(model), self.case.extension)
        return checked(model)

    def _load(self, model: pyo.ConcreteModel) -> ProgramSolver:
        """The solver of a program, without the rows refused so far."""
        solver = ProgramSolver(model, self._options)
        for index, replicas in self._refused.items():
            solver.refuse(self.candidates[index], replicas)
        for chosen in self._excluded:
            solver.exclude(chosen)
        return solver

    @property
    def is_drawn(self) -> bool:
        """Whether rows have their mean draw."""
        return self._pools.is_drawn

    def candidates_of(self, offer: Offer) -> tuple[Candidate, ...]:
        """The candidates of one more table, which is kept; the program stays as it is."""
        self._pools.keep([offer])
        return self._pools.enumerated([offer], self._rows, self.case.problem.min_replicas)

    @property
    def side(self) -> SideConstraints:
        """The limits on the whole fleet."""
        return self._pools.side

    def table(self, candidate: Candidate) -> PoolTable:
        """The feasibility table behind a candidate."""
        return self._pools.table(candidate)

    def row(self, candidate: Candidate, replicas: int) -> Row:
        """The row of a number of replicas that must be up, with its spare ones."""
        return self._pools.row(candidate, replicas)

    @property
    def offered(self) -> Sequence[Offer]:
        """Every table, admissible rows or not, and what its pool does."""
        return self._pools.known

    def usd_per_hour(self, chosen: Sequence[Chosen]) -> float:
        """Cost of a fleet, with the GPUs that whole nodes have to spare."""
        return self._solver.usd_per_hour(chosen)

    def attained(self, chosen: Sequence[Chosen]) -> tuple[float, ...]:
        """Share of the requests of all pools within each bound of the SLO, by the tables."""
        return attained((self.table(c), row.replicas) for c, row in chosen)

    def binding(self, chosen: Sequence[Chosen], index: int) -> str:
        """Why one replica fewer in one of the pools would not do."""
        if not self._pools.is_fleet_wide:
            candidate, row = chosen[index]
            table, fewer = self.table(candidate), row.replicas - 1
            refused = self._refused.get(candidate.index, 0)
            if self.is_changed and fewer > refused and table.is_admissible(fewer):
                return f"what was added to the program: the table alone would accept {fewer}"
            return table.binding(row.replicas)
        return binding([(self.table(c), row.replicas) for c, row in chosen], index)

    @property
    def program(self) -> pyo.ConcreteModel:
        """The program as it stands, the refused rows taken out by its `cuts`."""
        return self._solver.model

    def optimum(self) -> Solution:
        """The cheapest fleet that is left; of several, one that has the fewest pools."""
        return self._solver.simplest()

    def refuse(self, candidate: Candidate, replicas: int) -> None:
        """Take a row that failed, and those with fewer replicas, out of the program."""
        self.refuse_all([(candidate, replicas)])

    def refuse_all(self, cuts: Iterable[tuple[Candidate, float]]) -> None:
        """Take out rows (candidate, replicas) and those with fewer replicas.

        A candidate that runs out of rows gets the next ones above, but for a user's program.
        Infinitely many replicas take out the candidate.
        """
        is_short = False
        for candidate, replicas in cuts:
            whole = math.isinf(replicas)
            gone = candidate.rows[-1].replicas if whole else int(replicas)
            self._refused[candidate.index] = max(gone, self._refused.get(candidate.index, 0))
            if self._solver.refuse(candidate, gone) == 0 and not (whole or self._is_open):
                self._replace(replace(candidate, rows=self._pools.more_rows(candidate, gone)))
                is_short = True
        if is_short:
            self._solver = self._load(self._built())

    def exclude(self, chosen: Sequence[Chosen]) -> None:
        """Take out a fleet, and those of the same pools with fewer replicas in each."""
        self._excluded.append(chosen)
        self._solver.exclude(chosen)

    def measure(self, misses: Iterable[tuple[Candidate, int, tuple[float, ...]]]) -> None:
        """Put what was measured of rows (candidate, replicas) in the place of the table's misses.

        Rows that are not there yet are added, and a candidate whose last row misses more than
        the table said gets the next ones above, but for a user's program.
        """
        for candidate, replicas, shares in misses:
            known = self.candidates[candidate.index]
            if not self._is_open:
                known = with_row(known, self.row(known, replicas))
            changed = measured(known, replicas, shares)
            if not self._is_open and self._pools.is_short(changed, replicas):
                more = self._pools.more_rows(known, replicas)
                changed = replace(changed, rows=changed.rows + more)
            self._replace(changed)
        if self._is_open:
            remeasure(self.program, self.candidates)
        self._solver = self._load(self.program if self._is_open else self._built())

    def _replace(self, candidate: Candidate) -> None:
        before, after = candidate.index, candidate.index + 1
        self.candidates = (*self.candidates[:before], candidate, *self.candidates[after:])

    def best(self, count: int) -> tuple[Solution, ...]:
        """The best fleets that differ in more than spare replicas, the optimum first."""
        may_be_more = self.is_changed or self._pools.is_drawn
        if self._pools.is_fleet_wide or may_be_more:  # these may ask for more than the least
            return self._solver.best(count, other_pools=True)
        with self._solver.restricted(self._is_least):
            return self._solver.best(count)

    def _is_least(self, candidate: Candidate, row: Row) -> bool:
        refused = self._refused.get(candidate.index, 0)
        return row is next((r for r in candidate.rows if r.replicas > refused), None)


def _extra_rows(case: Case) -> int:
    """Rows above the least one; none where spare GPUs of a node would make them free."""
    if case.extension is not None or case.problem.draw_keys:
        return USERS_ROWS
    return EXTRA_ROWS if case.problem.node_size == 1 else 0
