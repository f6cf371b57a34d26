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
from fleetopt.optimization.design import Design, arcs_on, maker, pool_tables
from fleetopt.optimization.solver import Solution
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.queueing.floor import utilization_floor
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Served


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


class LazyDesign(Design):
    """The answers of `Design`; `candidates` are those that were evaluated for them."""

    def __init__(
        self, case: Case, *, grey: bool, extra_rows: int | None = None, log: TextIO | None = None
    ) -> None:
        super().__init__(case, grey=grey, extra_rows=extra_rows, log=log, tables=())
        self._makers = {profile.name: maker(case, profile) for profile in case.profiles}
        self._arcs = [(what, p) for p in case.profiles for what in arcs_on(case, p)]
        self._bounds = _path_bounds(case, self._arcs)
        self._admits(-math.inf)

    @property
    def tables(self) -> Sequence[PoolTable]:
        """Every table of the case, evaluated or not."""
        if len(self._pools.known) < len(self._arcs):
            self._pools.keep(pool_tables(self.case))
        return self._pools.known

    def optimum(self) -> Solution:
        """The cheapest fleet that is left."""
        return self._proved(super().optimum)

    def best(self, count: int) -> tuple[Solution, ...]:
        """The best fleets that differ in more than spare replicas, the optimum first."""
        found = super().best(count)
        while self._admits(found[-1].usd_per_hour if len(found) == count else math.inf):
            found = super().best(count)
        return found

    def best_of_one_pool(self) -> Solution:
        """The cheapest fleet of a single pool."""
        last = len(self.case.breakpoints) - 1
        ends = (self.case.breakpoints[0], self.case.breakpoints[last])
        whole = self._among(lambda what, _: (what.lo_tokens, what.hi_tokens) == ends)
        return self._proved(super().best_of_one_pool, whole)

    def _best_of(self, gpu: str) -> Solution:
        same = self._among(lambda _, profile: profile.gpu == gpu)
        return self._proved(lambda: super(LazyDesign, self)._best_of(gpu), same)

    def _among(self, keep: Callable[[Served, ReplicaProfile], bool]) -> Mask:
        return np.array([keep(*arc) for arc in self._arcs], dtype=bool)

    def _proved(self, ask: Callable[[], Solution], among: Mask | None = None) -> Solution:
        """The answer, once nothing that was left out could be part of a better one."""
        self._admits(-math.inf, among)
        solution = ask()
        while self._admits(solution.usd_per_hour, among):
            solution = ask()
        return solution

    def _admits(self, usd_per_hour: float, among: Mask | None = None) -> bool:
        """Evaluate what a fleet of at most this cost may have; whether anything was new."""
        before = len(self.candidates)
        self._bounds.settle(self._price, usd_per_hour, among)
        if len(self.candidates) == before:
            return False
        self._solver = self._load(self._built())
        return True

    def _price(self, arc: int) -> float:
        """USD per hour of the least row of an arc, which becomes a candidate if it has one."""
        what, profile = self._arcs[arc]
        table = self._makers[profile.name](what, self.case.pool_rate(what))
        self._pools.keep([table])
        found = self._pools.enumerated([table], self._rows, self.case.problem.min_replicas)
        for candidate in found:
            self.candidates += (replace(candidate, index=len(self.candidates)),)
        return min((c.cost(c.rows[0]) for c in found), default=math.inf)


def _path_bounds(case: Case, arcs: Sequence[tuple[Served, ReplicaProfile]]) -> PathBounds:
    """Every arc with the cost of the least replicas that utilization allows."""
    position = {node: i for i, node in enumerate(case.nodes)}
    costs: list[float] = []
    for profile in case.profiles:
        pools = [what for what, on in arcs if on is profile]
        if pools:
            floor = np.maximum(utilization_floor(case, profile, pools), case.problem.min_replicas)
            costs += (profile.usd_per_hour * floor).tolist()
    ends = np.array([[position[node] for node in what.nodes] for what, _ in arcs]).reshape(-1, 2)
    most = case.problem.max_pools
    return PathBounds(ends[:, 0], ends[:, 1], np.array(costs), len(position), most)
