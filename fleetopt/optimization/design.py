"""The program of a case: its tables, its candidates, and the solver that holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate, Row, enumerate_candidates, rows_above
from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver, Solution, SolveOptions
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.published import PublishedLoadTable, PublishedTable
from fleetopt.queueing.table import Limits, PoolTable

Chosen = tuple[Candidate, Row]
EXTRA_ROWS = 2
"""Rows above the least admissible one. More are added when the simulator refuses them all;
nine rows a candidate made every solve two to three times slower."""


class Design:
    """The fleets that may be built for a case, cheapest first.

    grey: admit rows that simulation has yet to decide.
    extra_rows: rows above the least admissible one.
    """

    def __init__(self, case: Case, *, grey: bool, extra_rows: int = EXTRA_ROWS) -> None:
        self.case = case
        tables = pool_tables(case)
        self._tables = {_key(t.lo_tokens, t.hi_tokens, t.profile.name): t for t in tables}
        self.candidates = enumerate_candidates(
            tables, case.breakpoints, grey=grey, extra_rows=extra_rows
        )
        self._refused: dict[int, int] = {}
        self._solver = self._load()

    def _load(self) -> ProgramSolver:
        """The program of the present candidates, without the rows refused so far."""
        problem = self.case.problem
        model = build(self.candidates, len(self.case.breakpoints), problem.max_pools)
        options = SolveOptions(problem.solver.time_limit_s, problem.solver.relative_gap)
        solver = ProgramSolver(model, options)
        for index, replicas in self._refused.items():
            solver.refuse(self.candidates[index], replicas)
        return solver

    def table(self, candidate: Candidate) -> PoolTable:
        """The feasibility table behind a candidate."""
        return self._tables[_key(candidate.lo_tokens, candidate.hi_tokens, candidate.profile)]

    @property
    def tables(self) -> Sequence[PoolTable]:
        """Every table, admissible rows or not."""
        return tuple(self._tables.values())

    def optimum(self) -> Solution:
        """The cheapest fleet that is left."""
        return self._solver.solve()

    def refuse(self, candidate: Candidate, replicas: int) -> None:
        """Take a row that failed, and those with fewer replicas, out of the program.

        A candidate that runs out of rows gets the next ones above.
        """
        self._refused[candidate.index] = replicas
        if self._solver.refuse(candidate, replicas) == 0:
            more = tuple(Row(n) for n in rows_above(replicas, EXTRA_ROWS + 1))
            extended = replace(self.candidates[candidate.index], rows=more)
            before, after = candidate.index, candidate.index + 1
            self.candidates = (*self.candidates[:before], extended, *self.candidates[after:])
            self._solver = self._load()

    def best(self, count: int) -> tuple[Solution, ...]:
        """The best fleets that differ in more than spare replicas, the optimum first."""
        with self._solver.restricted(self._is_least):
            return self._solver.best(count)

    def best_of_one_pool(self) -> Solution:
        """The cheapest fleet of a single pool."""
        last = len(self.case.breakpoints) - 1
        with self._solver.restricted(lambda c, _: c.start == 0 and c.end == last):
            return self._solver.solve()

    def best_of_one_type(self) -> Solution:
        """The cheapest fleet of a single GPU type."""
        types = sorted({candidate.gpu for candidate in self.candidates})
        return min(map(self._best_of, types), key=lambda solution: solution.usd_per_hour)

    def _best_of(self, gpu: str) -> Solution:
        with self._solver.restricted(lambda candidate, _: candidate.gpu == gpu):
            return self._solver.solve()

    def _is_least(self, candidate: Candidate, row: Row) -> bool:
        refused = self._refused.get(candidate.index, 0)
        return row is next((r for r in candidate.rows if r.replicas > refused), None)


def pool_tables(case: Case) -> list[PoolTable]:
    """The feasibility tables of every range of lengths on every profile with room for it."""
    tables: list[PoolTable] = []
    for profile in case.profiles:
        make = table_maker(case, profile)
        for lo, hi in case.arcs():
            if case.capacity(profile, hi).slots >= 1:
                tables.append(make(lo, hi, case.pool_rate(lo, hi)))
    return tables


def table_maker(
    case: Case, profile: CalibratedProfile
) -> Callable[[int, int, float], OccupancyTable | PublishedTable]:
    """A function of (lo, hi, arrival rate) that gives pool tables by the case's method."""
    limits = Limits(case.problem.slo, case.problem.max_utilization)
    if case.problem.method == "published":
        published = PublishedLoadTable(case.lengths, profile.iteration)
        return lambda lo, hi, rate: PublishedTable(
            published.between(lo, hi, rate), profile, case.capacity(profile, hi), lo, limits
        )
    loads = load_table(case.lengths, profile.iteration)
    return lambda lo, hi, rate: OccupancyTable(
        loads.between(lo, hi, rate), profile, case.capacity(profile, hi), lo, limits
    )


def _key(lo_tokens: int, hi_tokens: int, profile: str) -> tuple[int, int, str]:
    return lo_tokens, hi_tokens, profile
