"""A design that evaluates a candidate only when it may be part of what is asked for.

A problem with four compression factors has thousands of candidates, and its cheapest fleets
have a few dozen of them. An answer of a given cost is proved once every candidate is in the
program that a fleet of at most this cost could have; see `fleetopt.optimization.bounds`. The
cost is what the objective counts of an hour: USD, energy, carbon, or USD and electricity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TextIO, cast

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.bounds import Mask, PathBounds
from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.design import Design, Offer, offers
from fleetopt.optimization.goals import Goal
from fleetopt.optimization.options import ArcOptions
from fleetopt.optimization.solver import Solution
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.floor import RowFloors
from fleetopt.queueing.search import SearchedTable
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats

_DEARER = (1.1, 1.5, 3.0)
"""Multiples of the least cost up to which candidates are evaluated, until there is a fleet."""


def design_of(
    case: Case,
    *,
    grey: bool,
    extra_rows: int | None = None,
    log: TextIO | None = None,
    whole: bool = False,
) -> Design:
    """The fleets of a case, evaluated as they are asked for where the method has a bound.

    whole: evaluate all of them at once, for a program that is to be looked at.
    """
    at_once = whole or case.extension is not None or case.problem.method == "published"
    kind = Design if at_once else LazyDesign
    return kind(case, grey=grey, extra_rows=extra_rows, log=log)


_Key = tuple[int, str, str | None, str]
"""A pool: what it serves, its profile, its phase and its link."""
_TIED = 1e-8
"""Relative difference of costs that count as equal."""
_WIDER = 1.1
"""Fleets up to this multiple of the next cost are added where more are asked for."""


class LazyDesign(Design):
    """The answers of `Design`; `candidates` are those that were evaluated for them."""

    def __init__(
        self, case: Case, *, grey: bool, extra_rows: int | None = None, log: TextIO | None = None
    ) -> None:
        super().__init__(case, grey=grey, extra_rows=extra_rows, log=log, tables=())
        self._grey = grey
        self._served = case.arcs()
        self._ways = ArcOptions(case, self._served)
        self._prices: dict[_Key, float] = {}
        self._begun: dict[_Key, Offer] = {}
        self._floors = _Floors(case, self._served, self._pools.goal)
        self._bounds = self._floors.paths(self._ways)
        self._knows_all = False
        self._admits(-math.inf)

    @property
    def evaluated(self) -> int:
        """Tables that were made so far."""
        return len(self._begun)

    @property
    def rows_computed(self) -> int:
        """Rows of these tables that were computed."""
        return sum(_searched(offer).rows_computed for offer in self._begun.values())

    @property
    def offered(self) -> Sequence[Offer]:
        """Every table of the case, evaluated or not."""
        if not self._knows_all:
            self._pools.keep(offers(self.case))
            self._knows_all = True
        return self._pools.known

    def optimum(self) -> Solution:
        """The cheapest fleet that is left; of several, one that has the fewest pools."""
        found = self._proved(super().optimum)
        for fewer in range(1, len(found.chosen)):
            if self._admits(self._hourly(found) * (1.0 + _TIED), pools=fewer):
                found = self._proved(super().optimum)
        return found

    def best(self, count: int) -> tuple[Solution, ...]:
        """The best fleets that differ in more than spare replicas, the optimum first."""
        found = super().best(count)
        while True:
            is_short = len(found) < count
            limit = _WIDER * self._bounds.beyond() if is_short else self._hourly(found[-1])
            if self._admits(limit):
                found = super().best(count)
            elif not is_short or math.isinf(limit):
                return found

    def best_of_one_pool(self) -> Solution:
        """The cheapest fleet of a single pool."""
        last = len(self.case.breakpoints) - 1
        ends = (self.case.breakpoints[0], self.case.breakpoints[last])
        whole = self._among([(what.lo_tokens, what.hi_tokens) == ends for what in self._served])
        return self._proved(super().best_of_one_pool, whole)

    def best_of_type(self, gpu: str, pools: int | None = None) -> Solution:
        """The cheapest fleet of one GPU type; pools: of exactly so many, if stated."""
        same = self._among(on=self._ways.of_type(gpu))
        return self._proved(lambda: super(LazyDesign, self).best_of_type(gpu, pools), same, pools)

    def best_mixed(self) -> Solution:
        """The cheapest fleet of at least two GPU types.

        Dearer candidates are evaluated step by step until there is one.
        """
        cheapest = self._hourly(self.optimum())
        found = super().best_mixed()
        for limit in (*(factor * cheapest for factor in _DEARER), math.inf):
            if not found.chosen and self._admits(limit):
                found = super().best_mixed()
        while self._admits(self._hourly(found)):
            found = super().best_mixed()
        return found

    def _among(self, serving: Sequence[bool] = (), on: Sequence[bool] = ()) -> Mask:
        """Arcs of some pools in some ways; all of them where nothing is said."""
        pools = np.array(serving or [True] * len(self._served), dtype=bool)
        ways = np.array(on or [True] * len(self._ways), dtype=bool)
        kept: Mask = np.outer(ways, pools).ravel()
        return kept

    def _proved(
        self, ask: Callable[[], Solution], among: Mask | None = None, pools: int | None = None
    ) -> Solution:
        """The answer, once nothing that was left out could be part of a better one."""
        self._admits(-math.inf, among, pools)
        solution = ask()
        while self._admits(self._hourly(solution), among, pools):
            solution = ask()
        return solution

    def _hourly(self, solution: Solution) -> float:
        """What a fleet has of the objective in an hour; infinite without a fleet."""
        if not solution.chosen:
            return math.inf
        return self._pools.goal.value(solution.chosen, solution.usd_per_hour) / HOURS_PER_YEAR

    def _admits(self, hourly: float, among: Mask | None = None, pools: int | None = None) -> bool:
        """Evaluate what a fleet of at most this cost may have; whether anything was new."""
        before = len(self.candidates)
        with one_blas_thread():
            self._bounds.settle(self._price, hourly, among, pools)
        if len(self.candidates) == before:
            return False
        self._solver = self._load(self._built())
        return True

    def _price(self, arc: int) -> tuple[float, bool]:
        """The least of an arc's rows in an hour, and whether it is known already.

        First the least by utilization is told, then every call computes a row, until the least
        one is known; the arc's pools become candidates if they have one. Both phases cost what
        each does by itself, whichever its partner.
        """
        way, pool = divmod(arc, len(self._served))
        told = [self._told(pool, offer) for offer in self._ways.offers(way, pool)]
        return sum(value for value, _ in told), all(is_true for _, is_true in told)

    def _told(self, pool: int, offer: Offer) -> tuple[float, bool]:
        """What a pool has at least in an hour, and whether its least row has."""
        key = (pool, offer.table.profile.name, offer.phase, offer.link)
        if key in self._prices:
            return self._prices[key], True
        is_new = key not in self._begun
        offer = self._begun.setdefault(key, offer)
        if not self._pools.is_fleet_wide:
            search = _searched(offer).least(self._grey)
            if not (is_new or search.is_over):
                search.look()
            if not search.is_over:
                replicas = max(search.at_least, self.case.problem.min_replicas)
                return self._floors.bound(offer.table.profile, pool, replicas), False
        self._prices[key] = self._kept(pool, offer)
        return self._prices[key], True

    def _kept(self, pool: int, offer: Offer) -> float:
        """Make a pool's candidate, if it has one; the least of its rows in an hour."""
        self._pools.keep([offer])
        found = self._pools.enumerated([offer], self._rows, self.case.problem.min_replicas)
        for candidate in found:
            self.candidates += (replace(candidate, index=len(self.candidates)),)
        profile = offer.table.profile
        return min((self._floors.least_of(c, profile, pool) for c in found), default=math.inf)


def _searched(offer: Offer) -> SearchedTable[Any]:
    """The table of a pool; the published method's, which search otherwise, are made at once."""
    return cast("SearchedTable[Any]", offer.table)


class _Floors:
    """Every pool on every profile with a bound on what it has of the goal in an hour."""

    def __init__(self, case: Case, pools: Sequence[Served], goal: Goal) -> None:
        self._case, self._pools, self._goal = case, pools, goal
        self._rows = RowFloors(case, pools)

    def paths(self, ways: ArcOptions) -> PathBounds:
        """The arcs in every way, each with the bound for the least replicas that it may have."""
        case = self._case
        position = {node: i for i, node in enumerate(case.nodes)}
        ends = np.array([[position[n] for n in what.nodes] for what in self._pools]).reshape(-1, 2)
        starts, ends = np.tile(ends.T, (1, len(ways)))
        whole = [self._values(profile) for profile in case.profiles] if case.has_together else []
        values = np.array([*whole, *ways.floors_apart()]).ravel()
        return PathBounds(starts, ends, values, len(position), case.problem.max_pools)

    def least_of(self, candidate: Candidate, profile: ReplicaProfile, pool: int) -> float:
        """The least of a candidate's rows, and of those with more replicas."""
        goal, rows = self._goal, candidate.rows
        least = min(goal.hourly(candidate.cost(row), row.drawn_kw or 0.0) for row in rows)
        if not goal.is_of_energy:
            return least
        return min(least, self.bound(profile, pool, rows[-1].bought + 1))

    def bound(self, profile: ReplicaProfile, pool: int, replicas: float) -> float:
        """A bound below what a pool with at least so many replicas has of the goal in an hour."""
        paid = profile.usd_per_hour * replicas
        if not self._goal.is_of_energy:
            return self._goal.hourly(paid, 0.0)
        drawn = self._rows.kilowatts(profile, np.full(len(self._pools), float(replicas)))
        return self._goal.hourly(paid, float(drawn[pool]))

    def _values(self, profile: ReplicaProfile) -> Floats:
        replicas = np.maximum(self._rows.least(profile), self._case.problem.min_replicas)
        offered = {t: self._case.offers(profile, t) for t in self._case.breakpoints[1:]}
        possible = np.isfinite(replicas) & [offered[what.hi_tokens] for what in self._pools]
        replicas[~possible] = 1.0
        drawn = self._rows.kilowatts(profile, replicas) if self._goal.is_of_energy else 0.0
        paid = self._goal.hourly(profile.usd_per_hour, 0.0) * replicas
        values: Floats = np.where(possible, paid + self._goal.per_kwh * drawn, math.inf)
        return values
