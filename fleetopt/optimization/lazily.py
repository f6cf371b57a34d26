"""A design that evaluates a candidate only when it may be part of what is asked for.

A problem with four compression factors has thousands of candidates, and its cheapest fleets
have a few dozen of them. An answer of a given cost is proved once every candidate is in the
program that a fleet of at most this cost could have; see `fleetopt.optimization.bounds`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TextIO

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.bounds import Mask, PathBounds
from fleetopt.optimization.design import Design, Offer, offers
from fleetopt.optimization.options import ArcOptions
from fleetopt.optimization.solver import Solution

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
    by_cost = case.extension is None and case.problem.objective == "cost"
    at_once = whole or not by_cost or case.problem.method == "published"
    kind = Design if at_once else LazyDesign
    return kind(case, grey=grey, extra_rows=extra_rows, log=log)


_WIDER = 1.1
"""Fleets up to this multiple of the next cost are added where more are asked for."""


class LazyDesign(Design):
    """The answers of `Design`; `candidates` are those that were evaluated for them."""

    def __init__(
        self, case: Case, *, grey: bool, extra_rows: int | None = None, log: TextIO | None = None
    ) -> None:
        super().__init__(case, grey=grey, extra_rows=extra_rows, log=log, tables=())
        self._served = case.arcs()
        self._ways = ArcOptions(case, self._served)
        self._prices: dict[tuple[int, str, str | None, str], float] = {}
        self._bounds = _path_bounds(case, self._ways)
        self._knows_all = False
        self._admits(-math.inf)

    @property
    def evaluated(self) -> int:
        """Tables that were made so far."""
        return len(self._pools.known)

    @property
    def offered(self) -> Sequence[Offer]:
        """Every table of the case, evaluated or not."""
        if not self._knows_all:
            self._pools.keep(offers(self.case))
            self._knows_all = True
        return self._pools.known

    def optimum(self) -> Solution:
        """The cheapest fleet that is left."""
        return self._proved(super().optimum)

    def best(self, count: int) -> tuple[Solution, ...]:
        """The best fleets that differ in more than spare replicas, the optimum first."""
        found = super().best(count)
        while True:
            is_short = len(found) < count
            limit = _WIDER * self._bounds.beyond() if is_short else found[-1].usd_per_hour
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
        cheapest = self.optimum().usd_per_hour
        found = super().best_mixed()
        for limit in (*(factor * cheapest for factor in _DEARER), math.inf):
            if not found.chosen and self._admits(limit):
                found = super().best_mixed()
        while self._admits(found.usd_per_hour):
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
        while self._admits(solution.usd_per_hour, among, pools):
            solution = ask()
        return solution

    def _admits(
        self, usd_per_hour: float, among: Mask | None = None, pools: int | None = None
    ) -> bool:
        """Evaluate what a fleet of at most this cost may have; whether anything was new."""
        before = len(self.candidates)
        self._bounds.settle(self._price, usd_per_hour, among, pools)
        if len(self.candidates) == before:
            return False
        self._solver = self._load(self._built())
        return True

    def _price(self, arc: int) -> float:
        """USD per hour of the least rows of an arc, whose pools become candidates if they have any.

        Both phases cost what each does by itself, whichever its partner.
        """
        way, pool = divmod(arc, len(self._served))
        return sum(self._price_of(pool, part) for part in self._ways.offers(way, pool))

    def _price_of(self, pool: int, offer: Offer) -> float:
        key = (pool, offer.table.profile.name, offer.phase, offer.link)
        if key not in self._prices:
            self._pools.keep([offer])
            found = self._pools.enumerated([offer], self._rows, self.case.problem.min_replicas)
            for candidate in found:
                self.candidates += (replace(candidate, index=len(self.candidates)),)
            self._prices[key] = min((c.cost(c.rows[0]) for c in found), default=math.inf)
        return self._prices[key]


def _path_bounds(case: Case, options: ArcOptions) -> PathBounds:
    """Every pool in every way with the cost of the least replicas that it may have."""
    position = {node: i for i, node in enumerate(case.nodes)}
    costs = options.floors()
    ends = np.array([[position[node] for node in what.nodes] for what in options.served])
    starts, ends = np.tile(ends.reshape(-1, 2).T, (1, len(options)))
    return PathBounds(starts, ends, costs.ravel(), len(position), case.problem.max_pools)
