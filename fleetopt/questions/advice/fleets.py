"""Fleets on the sides of a question: by the program, or pool by pool, and as simulated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.optimization.design import Design
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.tables import maker
from fleetopt.plan import HOURS_PER_YEAR, Fleet, Pool, PoolVerification
from fleetopt.questions.advice.side import Side, of_solution
from fleetopt.queueing.availability import SpareRule
from fleetopt.queueing.table import PoolTable
from fleetopt.verification import Judge, Judged, Verifier, overall
from fleetopt.verification.least import least_passing
from fleetopt.workload.compression import Served

STAGES = 2
"""Stages of verdicts on fleets that only stand beside the plan; what is open counts as refused."""
MOST_TIMES = 4
"""Times the table's replicas up to which the simulator is asked for enough."""


@dataclass(frozen=True)
class LeastPool:
    """The fewest replicas of a GPU that serve a range of lengths, by the table."""

    table: PoolTable
    judged: Judged
    bought: int
    gpus: int
    usd_per_year: float

    @property
    def p99_ttft_ms(self) -> float:
        """By the table."""
        seconds = self.table.row(self.judged.replicas).percentile_s("ttft", 99.0)
        return math.inf if seconds is None else 1000.0 * seconds


class Fleets:
    """The fleets of one problem. judge: None where nothing is simulated."""

    def __init__(self, case: Case, judge: Verifier | None, progress: Callable[[str], None]) -> None:
        self.case = case
        self.judge = judge
        self._quick = judge.quicker(STAGES) if isinstance(judge, Judge) else judge
        self.progress = progress
        self.spares = SpareRule.of(case.problem)
        self._makers = {profile.name: maker(case, profile) for profile in case.profiles}
        self._seen: dict[Judged, PoolVerification] = {}
        self._least: dict[tuple[int, int, str], LeastPool | None] = {}

    @property
    def types(self) -> tuple[str, ...]:
        """GPU types."""
        return tuple(dict.fromkeys(profile.gpu for profile in self.case.profiles))

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles, the cheapest first."""
        return tuple(p.name for p in sorted(self.case.profiles, key=lambda p: p.usd_per_hour))

    @cached_property
    def design(self) -> Design:
        """The program of the problem, by the table alone."""
        self.progress("solving the program by the table")
        return design_of(self.case, grey=False)

    def know(self, plan: Side) -> None:
        """Take over the verdicts on the plan's pools."""
        assert plan.fleet is not None
        for i, said in enumerate(plan.said):
            self._seen[self.judged(plan.fleet, i)] = said

    def one_pool(self) -> Side:
        """The cheapest fleet of one pool, by the table."""
        return of_solution("one pool", self.design, self.design.best_of_one_pool())

    def of_type(self, gpu: str) -> Side:
        """The cheapest fleet of one GPU type, by the table."""
        return of_solution(f"all {gpu}", self.design, self.design.best_of_type(gpu))

    def solved(self, label: str, **keys: Any) -> Side:
        """The cheapest fleet of the problem with other keys, by the table."""
        self.progress(f"solving: {label}")
        stated = self.case.problem.model_copy(update=keys)
        try:
            design = design_of(replace(self.case, problem=stated), grey=False)
            return of_solution(label, design, design.optimum())
        except InfeasibleError as error:
            return Side(label, None, why=str(error).splitlines()[0])

    def simulated(self, side: Side) -> Side:
        """The same fleet with the simulator's verdict, if there is a simulator."""
        if self.judge is None or side.fleet is None or side.said:
            return side
        pools = [self.judged(side.fleet, i) for i in range(len(side.fleet.pools))]
        said = tuple(self._known(pool) for pool in pools)
        return replace(side, said=said, verdict=overall(said))

    def enough(self, side: Side) -> Side:
        """A fleet of one pool with the fewest replicas that the simulator accepts, if any.

        It is looked for from the table's number up to `MOST_TIMES` as many.
        """
        if self.judge is None or side.fleet is None:
            return side
        asked = self.judged(side.fleet, 0)
        if asked in self._seen:
            return self.simulated(side)
        found = self.least_accepted(asked)
        if found == asked.replicas:
            return self.simulated(side)
        if math.isinf(found):
            most = MOST_TIMES * asked.replicas
            why = f"the simulator refuses up to {most:,} {asked.profile}"
            return Side(side.label, None, predicted_ms=side.predicted_ms, why=why)
        pool = self.least(asked.lo_tokens, asked.hi_tokens, asked.profile)
        assert pool is not None
        return self.simulated(self.of_pools(side.label, [self.grown(pool, int(found))]))

    def least_accepted(self, asked: Judged) -> float:
        """The fewest replicas that pass, from the given number on; infinite if none does."""
        judge = self.judge
        assert judge is not None
        if judge.traffic is not None:
            found = judge.least(asked)
            return math.inf if found is None else found
        first = asked.replicas
        return least_passing(
            lambda n: judge.verdict(replace(asked, replicas=n)).verdict == "pass",
            first, MOST_TIMES * first,
        )  # fmt: skip

    def least(self, lo: int, hi: int, gpu: str) -> LeastPool | None:
        """The fewest replicas of a GPU for the lengths in (lo, hi], by the table; None if none."""
        key = (lo, hi, gpu)
        if key not in self._least:
            self._least[key] = self._sized(lo, hi, gpu)
        return self._least[key]

    def table(self, pool: Pool, gammas: tuple[float, float]) -> PoolTable:
        """The table of a pool of a fleet."""
        what = self.case.serves(pool.lo_tokens, pool.hi_tokens, *gammas)
        return self._makers[pool.profile](what, pool.arrival_rate)

    def grown(self, pool: LeastPool, replicas: int) -> LeastPool:
        """The same pool with another number of replicas."""
        return self._with(pool.table, replace(pool.judged, replicas=replicas))

    def of_pools(self, label: str, pools: Sequence[LeastPool]) -> Side:
        """A fleet of such pools, in the order of their lengths."""
        made = [
            Pool(
                name=f"pool-{i}",
                lo_tokens=p.judged.lo_tokens,
                hi_tokens=p.judged.hi_tokens,
                gpu=self.case.profile(p.judged.profile).gpu,
                profile=p.judged.profile,
                replicas=p.judged.replicas,
                gpus=p.gpus,
                slots=p.table.slots,
                admission=self.case.problem.admission,
                compression=1.0,
                arrival_rate=p.judged.arrival_rate,
                spare_replicas=p.bought - p.judged.replicas,
            )
            for i, p in enumerate(pools, start=1)
        ]
        cost = sum(p.usd_per_year for p in pools)
        return Side(label, Fleet("length", tuple(made)), cost, max(p.p99_ttft_ms for p in pools))

    def two_pools(self, label: str, threshold: int, short: Sequence[str],
                  long: Sequence[str]) -> Side:  # fmt: skip
        """Two pools at a threshold, each on the cheapest of the GPUs that it may have."""
        last = self.case.breakpoints[-1]
        if not 0.0 < self.case.lengths.share(0, threshold) < 1.0:
            return Side(label, None, why=f"all requests are on one side of {threshold:,} tokens")
        found = [self.cheapest(0, threshold, short), self.cheapest(threshold, last, long)]
        pools = [pool for pool in found if pool is not None]
        if len(pools) < 2:
            return Side(label, None, why="no number of these GPUs keeps the SLO")
        return self.of_pools(label, pools)

    def everywhere(self) -> list[Side]:
        """Two pools at every breakpoint, those that there are."""
        points, gpus = self.case.breakpoints[1:-1], self.profiles
        made = [self.two_pools(f"split at {t:,}", t, gpus, gpus) for t in points]
        return [side for side in made if side.fleet is not None]

    def cheapest(self, lo: int, hi: int, gpus: Sequence[str]) -> LeastPool | None:
        """The cheapest pool for the lengths in (lo, hi] on one of the GPUs; None if none."""
        pools = [pool for gpu in gpus if (pool := self.least(lo, hi, gpu)) is not None]
        return min(pools, key=lambda pool: pool.usd_per_year, default=None)

    def changed(self, label: str, fleet: Fleet, replicas: Sequence[int],
                spare: Sequence[int]) -> Side:  # fmt: skip
        """A fleet with other numbers of replicas, and of spare ones, in its pools."""
        pools, cost = [], 0.0
        for pool, n, more in zip(fleet.pools, replicas, spare, strict=True):
            profile = self.case.profile(pool.profile)
            gpus = (n + more) * profile.gpus_per_replica
            pools.append(replace(pool, replicas=n, spare_replicas=more, gpus=gpus))
            cost += (n + more) * profile.usd_per_hour * HOURS_PER_YEAR
        return Side(label, replace(fleet, pools=tuple(pools)), cost)

    def _known(self, pool: Judged) -> PoolVerification:
        """The verdict on the plan's pool, or on a search's; else a quick one."""
        assert self.judge is not None
        assert self._quick is not None
        return self._seen.get(pool) or self.judge.known(pool) or self._quick.verdict(pool)

    def judged(self, fleet: Fleet, index: int) -> Judged:
        """A pool of a fleet as the simulator is asked about it."""
        pool = fleet.pools[index]
        ends = (pool.lo_tokens, pool.hi_tokens)
        return Judged(*ends, pool.profile, pool.replicas, pool.arrival_rate, *fleet.gammas[index])

    def _sized(self, lo: int, hi: int, gpu: str) -> LeastPool | None:
        what = Served(lo, hi)
        profile = self.case.profile(gpu)
        if self.case.capacity(profile, hi).slots < 1 or not self.case.has_requests(what):
            return None
        rate = self.case.pool_rate(what)
        table = self._makers[gpu](what, rate)
        found = table.min_replicas()
        if found is None:
            return None
        replicas = max(found, self.case.problem.min_replicas)
        if not _keeps(table, replicas):
            return None
        return self._with(table, Judged(lo, hi, gpu, replicas, rate))

    def _with(self, table: PoolTable, judged: Judged) -> LeastPool:
        profile = self.case.profile(judged.profile)
        bought = self.spares.to_buy(judged.replicas, profile.gpus_per_replica)
        return LeastPool(
            table,
            judged,
            bought,
            bought * profile.gpus_per_replica,
            bought * profile.usd_per_hour * HOURS_PER_YEAR,
        )


def _keeps(table: PoolTable, replicas: int) -> bool:
    """Whether every reported percentile is within its bound.

    The published method holds only the wait to it, and reports more.
    """
    row = table.row(replicas)
    predicted = [(row.percentile_s(b.metric, b.percentile), b.limit_s) for b in table.limits.slo]
    return all(value is None or value <= 1.000001 * limit for value, limit in predicted)
