"""The program of a case: its tables, its candidates, and the solver that holds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import TextIO, cast

import pyomo.core as pyo

from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.optimization.attainment import (
    attained,
    binding,
    fleet_rows,
    is_worth_more,
    measured,
    with_misses,
    with_row,
)
from fleetopt.optimization.attributes import attach
from fleetopt.optimization.candidates import (
    Candidate,
    Row,
    enumerate_candidates,
    rows_above,
    rows_up_to,
)
from fleetopt.optimization.limits import FleetSlo, SideConstraints
from fleetopt.optimization.program import build, remeasure
from fleetopt.optimization.solver import ProgramSolver, Solution, SolveOptions, checked
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem import FleetProblem
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.published import PublishedLoadTable, PublishedTable
from fleetopt.queueing.table import Limits, PoolTable
from fleetopt.workload.compression import Served

Chosen = tuple[Candidate, Row]
_Key = tuple[int, int, float, float, str]
EXTRA_ROWS = 2
"""Rows above the least admissible one. More are added when the simulator refuses them all;
nine rows a candidate made every solve two to three times slower."""
USERS_ROWS = 8
"""The same for a user's program, whose constraints may ask for more than the least."""


class Design:
    """The fleets that may be built for a case, cheapest first.

    grey: admit rows that simulation has yet to decide.
    extra_rows: rows above the least admissible one; as many as the solver likes if absent.
    log: where the solver's own log goes; nowhere if absent.
    tables: of the pools that may be built; every one of the case if absent.
    """

    def __init__(
        self,
        case: Case,
        *,
        grey: bool,
        extra_rows: int | None = None,
        log: TextIO | None = None,
        tables: Sequence[PoolTable] | None = None,
    ) -> None:
        self.case = case
        self._options = solve_options(case.problem, log)
        self._grey = grey
        self._tables: dict[_Key, PoolTable] = {}
        known = pool_tables(case) if tables is None else tables
        self._keep(known)
        self._rows = _extra_rows(case) if extra_rows is None else extra_rows
        self.candidates = self._enumerated(known, self._rows, case.problem.min_replicas)
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
        if self._is_fleet_wide:
            remeasure(model, self.candidates)  # another solve may have measured some
        self._solver = self._load(checked(model))

    def __deepcopy__(self, memo: object) -> Design:
        """Itself: a copy of a program shares the tables behind it."""
        return self

    def opened(self) -> pyo.ConcreteModel:
        """The program for a user to extend, with everything that a constraint may see."""
        model = self._built()
        attach(model, self.table, self.case.arrival_rate)
        model.design = self
        return model

    def with_least(self, min_replicas: int) -> pyo.ConcreteModel:
        """The program with another least number of replicas, and no row above the least."""
        candidates = self._enumerated(self.tables, 0, min_replicas)
        side = replace(self.side, min_replicas=min_replicas)
        points, max_pools = len(self.case.nodes), self.case.problem.max_pools
        return build(candidates, points, max_pools, side)

    def with_fewer(self) -> pyo.ConcreteModel:
        """The program with the rows below the least number of replicas too, and its limits."""
        side = self.side
        found = self._enumerated(self.tables, 0, 1)
        least, share_up = side.min_replicas, side.availability
        candidates = [replace(c, rows=rows_up_to(least, c.rows, share_up)) for c in found]
        if self._is_fleet_wide:
            candidates = [replace(c, rows=self._with_misses(c, c.rows)) for c in candidates]
        return build(candidates, len(self.case.nodes), self.case.problem.max_pools, side)

    def _keep(self, tables: Sequence[PoolTable]) -> None:
        for t in tables:
            self._tables[t.lo_tokens, t.hi_tokens, *t.gammas, t.profile.name] = t

    def _enumerated(
        self, tables: Sequence[PoolTable], extra_rows: int, min_replicas: int
    ) -> tuple[Candidate, ...]:
        return enumerate_candidates(
            tables,
            self.case.breakpoints,
            grey=self._grey,
            extra_rows=extra_rows,
            min_replicas=min_replicas,
            gammas=self.case.problem.gammas,
            availability=self.case.problem.availability,
            rows_of=partial(self._fleet_rows, min_replicas) if self._is_fleet_wide else None,
        )

    def _fleet_rows(self, min_replicas: int, table: PoolTable) -> tuple[Row, ...]:
        share = table.arrival_rate / self.case.arrival_rate
        rows = fleet_rows(table, share, grey=self._grey, min_replicas=min_replicas)
        return tuple(replace(row, spare=self.row(row.replicas).spare) for row in rows)

    @property
    def _is_fleet_wide(self) -> bool:
        """Whether all requests together are held to the SLO."""
        return self.case.problem.slo_scope == "fleet"

    @property
    def side(self) -> SideConstraints:
        """The limits on the whole fleet."""
        side = SideConstraints.of(self.case.problem)
        if not self._is_fleet_wide:
            return side
        return replace(side, slo=FleetSlo(self.case.problem.slo, self.case.arrival_rate))

    def _built(self) -> pyo.ConcreteModel:
        """The program of the present candidates."""
        points, max_pools = len(self.case.nodes), self.case.problem.max_pools
        return build(self.candidates, points, max_pools, self.side)

    def _load(self, model: pyo.ConcreteModel) -> ProgramSolver:
        """The solver of a program, without the rows refused so far."""
        solver = ProgramSolver(model, self._options)
        for index, replicas in self._refused.items():
            solver.refuse(self.candidates[index], replicas)
        for chosen in self._excluded:
            solver.exclude(chosen)
        return solver

    def table(self, candidate: Candidate) -> PoolTable:
        """The feasibility table behind a candidate."""
        c = candidate
        return self._tables[c.lo_tokens, c.hi_tokens, c.gamma_lo, c.gamma_hi, c.profile]

    def row(self, replicas: int) -> Row:
        """The row of a number of replicas that must be up, with its spare ones."""
        return Row.available(replicas, self.case.problem.availability)

    @property
    def tables(self) -> Sequence[PoolTable]:
        """Every table, admissible rows or not."""
        return tuple(self._tables.values())

    def usd_per_hour(self, chosen: Sequence[Chosen]) -> float:
        """Cost of a fleet, with the GPUs that whole nodes have to spare."""
        return self._solver.usd_per_hour(chosen)

    def attained(self, chosen: Sequence[Chosen]) -> tuple[float, ...]:
        """Share of the requests of all pools within each bound of the SLO, by the tables."""
        return attained((self.table(c), row.replicas) for c, row in chosen)

    def binding(self, chosen: Sequence[Chosen], index: int) -> str:
        """Why one replica fewer in one of the pools would not do."""
        if not self._is_fleet_wide:
            candidate, row = chosen[index]
            return self.table(candidate).binding(row.replicas)
        return binding([(self.table(c), row.replicas) for c, row in chosen], index)

    @property
    def program(self) -> pyo.ConcreteModel:
        """The program as it stands, the refused rows taken out by its `cuts`."""
        return self._solver.model

    def optimum(self) -> Solution:
        """The cheapest fleet that is left."""
        return self._solver.solve()

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
                self._replace(replace(candidate, rows=self._more_rows(candidate, gone)))
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
                known = with_row(known, self.row(replicas))
            changed = measured(known, replicas, shares)
            if not self._is_open and self._is_short(changed, replicas):
                more = self._more_rows(known, replicas)
                changed = replace(changed, rows=changed.rows + more)
            self._replace(changed)
        if self._is_open:
            remeasure(self.program, self.candidates)
        self._solver = self._load(self.program if self._is_open else self._built())

    def _is_short(self, candidate: Candidate, replicas: int) -> bool:
        """Whether the row is the last, and more replicas would miss noticeably less."""
        share = candidate.arrival_rate / self.case.arrival_rate
        last = candidate.rows[-1]
        return last.replicas == replicas and is_worth_more(
            self.table(candidate), share, last, grey=self._grey
        )

    def _more_rows(self, candidate: Candidate, replicas: int) -> tuple[Row, ...]:
        """Rows above a number of replicas."""
        rows = tuple(self.row(n) for n in rows_above(replicas, EXTRA_ROWS + 1))
        return self._with_misses(candidate, rows) if self._is_fleet_wide else rows

    def _with_misses(self, candidate: Candidate, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Rows with what the table says that they miss, but for those that are overloaded."""
        seen = (with_misses(self.table(candidate), row, grey=self._grey) for row in rows)
        return tuple(row for row in seen if row is not None)

    def _replace(self, candidate: Candidate) -> None:
        before, after = candidate.index, candidate.index + 1
        self.candidates = (*self.candidates[:before], candidate, *self.candidates[after:])

    def best(self, count: int) -> tuple[Solution, ...]:
        """The best fleets that differ in more than spare replicas, the optimum first."""
        if self._is_fleet_wide:
            return self._solver.best(count, other_pools=True)
        with self._solver.restricted(self._is_least):
            return self._solver.best(count)

    def best_of_one_pool(self) -> Solution:
        """The cheapest fleet of a single pool."""
        last = len(self.case.nodes) - 1
        with self._solver.restricted(lambda c, _: c.start == 0 and c.end == last):
            return self._solver.solve()

    def best_of_one_type(self) -> Solution:
        """The cheapest fleet of a single GPU type."""
        types = sorted({profile.gpu for profile in self.case.profiles})
        return min(map(self._best_of, types), key=lambda solution: solution.usd_per_hour)

    def _best_of(self, gpu: str) -> Solution:
        with self._solver.restricted(lambda candidate, _: candidate.gpu == gpu):
            return self._solver.solve()

    def _is_least(self, candidate: Candidate, row: Row) -> bool:
        refused = self._refused.get(candidate.index, 0)
        return row is next((r for r in candidate.rows if r.replicas > refused), None)


def solve_options(problem: FleetProblem, log: TextIO | None = None) -> SolveOptions:
    """Which solver a problem asks for, and when it may stop."""
    stated = problem.solver
    return SolveOptions(
        time_limit_s=stated.time_limit_s,
        relative_gap=stated.relative_gap,
        threads=stated.threads,
        seed=stated.seed,
        node_limit=stated.node_limit,
        name=stated.name,
        log=log,
    )


def _extra_rows(case: Case) -> int:
    """Rows above the least one; none where spare GPUs of a node would make them free."""
    return EXTRA_ROWS if case.problem.node_size == 1 else 0


def pool_tables(case: Case) -> list[PoolTable]:
    """The feasibility tables of everything that a pool may serve on a profile with room for it."""
    tables: list[PoolTable] = []
    for profile in case.profiles:
        make = maker(case, profile)
        tables += [make(what, case.pool_rate(what)) for what in arcs_on(case, profile)]
    return tables


def arcs_on(case: Case, profile: CalibratedProfile) -> list[Served]:
    """What pools of a profile may serve: where a slot has room, and requests come."""
    room = {t for t in case.breakpoints[1:] if case.capacity(profile, t).slots >= 1}
    pools = [w for w in case.arcs() if w.hi_tokens in room]
    if case.problem.method == "published":  # it counts own lengths above the compressed ones only
        pools = [w for w in pools if case.lengths.share(w.gives_up_to, w.hi_tokens) > 0]
    return pools


def table_maker(
    case: Case, profile: CalibratedProfile
) -> Callable[[int, int, float], OccupancyTable | PublishedTable]:
    """A function of (lo, hi, arrival rate) that gives pool tables by the case's method."""
    make = maker(case, profile)
    return lambda lo, hi, rate: make(Served(lo, hi), rate)


def maker(
    case: Case, profile: CalibratedProfile
) -> Callable[[Served, float], OccupancyTable | PublishedTable]:
    """A function of what a pool serves and its arrival rate that gives its table."""
    limits = Limits(case.problem.slo, case.problem.max_utilization)

    def occupancy_table(what: Served, rate: float) -> OccupancyTable:
        load = load_table(case.lengths, profile.iteration).serving(what, rate)
        capacity = case.capacity(profile, what.hi_tokens)
        return OccupancyTable(load, profile, capacity, what.lo_tokens, limits, what.gammas)

    def published_table(what: Served, rate: float) -> PublishedTable:
        load = published.serving(what, rate)
        capacity = case.capacity(profile, what.hi_tokens)
        return PublishedTable(load, profile, capacity, what.lo_tokens, limits, what.gammas)

    if case.problem.method == "published":
        published = PublishedLoadTable(case.lengths, profile.iteration)
        return published_table
    return occupancy_table
