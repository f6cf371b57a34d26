"""A design that evaluates a candidate only when it may be part of what is asked for.

A problem with four compression factors has thousands of candidates, and its cheapest fleets
have a few dozen of them. An answer of a given cost is proved once every candidate is in the
program that a fleet of at most this cost could have; see `fleetopt.optimization.bounds`. The
cost is what the objective counts of an hour: USD, energy, carbon, or USD and electricity. A
limit is a cost too: where the fleet that has least of it exceeds it, no fleet keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TextIO, cast

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.bounds import Mask, PathBounds
from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.design import Design, Offer, offers
from fleetopt.optimization.floors import Floors
from fleetopt.optimization.options import ArcOptions
from fleetopt.optimization.solver import Solution, Termination
from fleetopt.optimization.uses import Use, limited_uses
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.floor import RowFloors
from fleetopt.queueing.search import SearchedTable

_DEARER = (1.1, 1.5, 3.0)
"""Multiples of the least cost up to which candidates are evaluated, until there is a fleet."""


def design_of(
    case: Case,
    *,
    grey: bool,
    extra_rows: int | None = None,
    log: TextIO | None = None,
    whole: bool = False,
    drawn: bool = False,
) -> Design:
    """The fleets of a case, evaluated as they are asked for where the method has a bound.

    whole: evaluate all of them at once, for a program that is to be looked at.
    drawn: give rows their mean draw even where the problem does not ask for it.
    """
    at_once = whole or case.extension is not None or case.problem.method == "published"
    kind = Design if at_once else LazyDesign
    return kind(case, grey=grey, extra_rows=extra_rows, log=log, drawn=drawn)


_Key = tuple[int, str, str | None, str]
"""A pool: what it serves, its profile, its phase and its link."""
_TIED = 1e-8
"""Relative difference of costs that count as equal."""
_WIDER = 1.1
"""Fleets up to this multiple of the next cost are added where more are asked for."""


class LazyDesign(Design):
    """The answers of `Design`; `candidates` are those that were evaluated for them."""

    def __init__(
        self, case: Case, *, grey: bool, extra_rows: int | None = None,
        log: TextIO | None = None, drawn: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(case, grey=grey, extra_rows=extra_rows, log=log, tables=(), drawn=drawn)
        self._grey = grey
        self._served = case.arcs()
        self._ways = ArcOptions(case, self._served)
        self._made: dict[_Key, tuple[Candidate, ...]] = {}
        self._begun: dict[_Key, Offer] = {}
        rows = RowFloors(case, self._served)
        self._limits = [
            (Floors(case, self._served, use, rows), most)
            for use, most in limited_uses(case.problem)
        ]
        self._floors = Floors(case, self._served, Use.of_goal(self._pools.goal), rows)
        self._bounds = self._floors.paths(self._ways, self._within_limits())
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
        if solution.termination is Termination.INFEASIBLE and self._limits:
            if self._exceeds_a_limit(among, pools):
                return solution
            solution = ask()
        while self._admits(self._hourly(solution), among, pools):
            solution = ask()
        return solution

    def _hourly(self, solution: Solution) -> float:
        """What a fleet has of the objective in an hour; infinite without a fleet."""
        if not solution.chosen:
            return math.inf
        return self._pools.goal.of_fleet(solution.chosen, solution.usd_per_hour)

    def _within_limits(self) -> Mask:
        """Arcs through which some path keeps each limit, at the bounds of its arcs."""
        kept = self._among()
        for floors, most in self._limits:
            kept &= floors.paths(self._ways).through() <= most * (1.0 + _TIED)
        return kept

    @cached_property
    def _limited_paths(self) -> list[tuple[Floors, PathBounds, float]]:
        """Of each limit: bounds on what arcs use of it, their paths, and the most of it."""
        kept = self._within_limits()
        return [(floors, floors.paths(self._ways, kept), most) for floors, most in self._limits]

    def _exceeds_a_limit(self, among: Mask | None, pools: int | None) -> bool:
        """Whether the fleet that has least of something exceeds the limit on it.

        What that fleet consists of is evaluated, and in the program from then on.
        """
        for floors, paths, most in self._limited_paths:
            price = partial(self._price, floors=floors)
            least, _ = self._settled(paths, price, -math.inf, among, pools)
            if least > most * (1.0 + _TIED):
                return True
        return False

    def _admits(self, hourly: float, among: Mask | None = None, pools: int | None = None) -> bool:
        """Evaluate what a fleet of at most this cost may have; whether anything was new."""
        price = partial(self._price, floors=self._floors)
        return self._settled(self._bounds, price, hourly, among, pools)[1]

    def _settled(
        self,
        paths: PathBounds,
        price: Callable[[int], tuple[float, bool]],
        below: float,
        among: Mask | None,
        pools: int | None,
    ) -> tuple[float, bool]:
        """The least path once it is settled, and whether that made candidates."""
        before = len(self.candidates)
        with one_blas_thread():
            least = paths.settle(price, below, among, pools)
        if len(self.candidates) == before:
            return least, False
        self._solver = self._load(self._built())
        return least, True

    def _price(self, arc: int, floors: Floors) -> tuple[float, bool]:
        """The least of what an arc's rows use, and whether it is known already.

        First the least by utilization is told, then every call computes a row, until the least
        one is known; the arc's pools become candidates if they have one. Both phases cost what
        each does by itself, whichever its partner.
        """
        way, pool = divmod(arc, len(self._served))
        told = [self._told(pool, offer, floors) for offer in self._ways.offers(way, pool)]
        return sum(value for value, _ in told), all(is_true for _, is_true in told)

    def _told(self, pool: int, offer: Offer, floors: Floors) -> tuple[float, bool]:
        """What a pool uses at least, and whether its least row does."""
        profile = offer.table.profile
        key = (pool, profile.name, offer.phase, offer.link)
        if key not in self._made:
            is_new = key not in self._begun
            offer = self._begun.setdefault(key, offer)
            if not self._pools.is_fleet_wide:
                search = _searched(offer).least(self._grey)
                if not (is_new or search.is_over):
                    search.look()
                if not search.is_over:
                    replicas = max(search.at_least, self.case.problem.min_replicas)
                    return floors.bound(profile, pool, replicas, offer.phase), False
            self._keep(key, offer)
        return floors.least_of(self._made[key], profile, pool), True

    def _keep(self, key: _Key, offer: Offer) -> None:
        """Make a pool's candidate, if it has one."""
        found, count = self.candidates_of(offer), len(self.candidates)
        self._made[key] = tuple(replace(c, index=count + i) for i, c in enumerate(found))
        self.candidates += self._made[key]


def _searched(offer: Offer) -> SearchedTable[Any]:
    """The table of a pool; the published method's, which search otherwise, are made at once."""
    return cast("SearchedTable[Any]", offer.table)
