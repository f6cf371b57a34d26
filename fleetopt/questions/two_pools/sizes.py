"""Sizes of two pools by the tables of their problem, one pool at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.optimization.tables import maker
from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.queueing.availability import replicas_to_buy
from fleetopt.queueing.feasibility import OccupancyTable, solve_chains
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Served

if TYPE_CHECKING:
    from fleetopt.problem import FleetProblem, ProfileSpec
    from fleetopt.verification import Judged


@dataclass(frozen=True)
class PoolSize:
    """One pool by its table.

    what: the requests that it serves. gpu: of its replicas.
    replicas: that must be up. bought: with spare ones.
    p99_ttft_ms: of those that must be up. meets: whether that is within the bound.
    true_table: fleetopt's table of the pool, whatever the method; made when it is asked for.
    """

    what: Served
    gpu: ProfileSpec
    arrival_rate: float
    replicas: int
    bought: int
    p99_ttft_ms: float
    meets: bool
    true_table: Callable[[], PoolTable] = field(repr=False, compare=False)

    @property
    def utilization(self) -> float:
        """Of those that must be up: the work of all requests over what the replicas can do."""
        return self.true_table().utilization(self.replicas)

    @property
    def usd_per_hour(self) -> float:
        """Price of all that is bought."""
        return self.bought * self.gpu.usd_per_hour * self.gpu.gpus_per_replica

    def judged(self) -> Judged:
        """The pool as the simulator is asked about it."""
        from fleetopt.verification import Judged

        lo, hi = self.what.lo_tokens, self.what.hi_tokens
        name = self.gpu.name
        return Judged(lo, hi, name, self.replicas, self.arrival_rate, *self.what.gammas)


class Sizes:
    """Sizes of the pools of a problem; what a GPU needs for its tables is summed once."""

    def __init__(self, asked: TwoPools, problem: FleetProblem | Case) -> None:
        self.case = problem if isinstance(problem, Case) else Case.of(problem)
        self._asked = asked
        self._known: dict[tuple[Served, str], PoolTable] = {}
        self._latest: dict[tuple[Served, str], PoolTable] = {}

    def published(self) -> Sizes:
        """The sizes of the same pools by the published method."""
        problem = self.case.problem.model_copy(update={"method": "published"})
        asked = replace(self._asked, method="published")
        return Sizes(asked, replace(self.case, problem=problem))

    @property
    def points(self) -> Sequence[int]:
        """Total lengths 0 = t_0 < ... < t_m at which the problem may split."""
        return self.case.breakpoints

    def share(self, lo: int, hi: int) -> float:
        """Share of the requests in (lo, hi]."""
        return self.case.lengths.share(lo, hi)

    def at(self, lam: float) -> Sizes:
        """The same pools at another arrival rate; what was summed is not summed again."""
        other = copy(self)
        other.case = replace(self.case, arrival_rate=lam)
        return other

    def split(self, b_short: int, gamma: float = 1.0) -> tuple[PoolSize | None, PoolSize | None]:
        """The pools up to `b_short` and above it; None where there are no requests.

        gamma: requests of up to so many times `b_short` are compressed into the lower pool.
        Raises InputError, and InfeasibleError where the published method has no figures.
        """
        short, long = self.ranges(b_short, gamma)
        return (
            self.size(short, self._asked.short) if short else None,
            self.size(long, self._asked.long) if long else None,
        )

    def pools(self, b_short: int, gamma: float = 1.0) -> list[tuple[Served, ProfileSpec]]:
        """What the pools of a split serve where there are requests, and on which GPU."""
        ranges = zip(
            self.ranges(b_short, gamma), (self._asked.short, self._asked.long), strict=True
        )
        return [(what, gpu) for what, gpu in ranges if what is not None]

    def ranges(self, b_short: int, gamma: float = 1.0) -> tuple[Served | None, Served | None]:
        """What the pools of a split serve; None where there are no requests."""
        first, last = self.points[0], self.points[-1]
        if self._asked.is_one_pool(b_short):
            return Served(first, last), None
        if b_short not in self.points:
            return None, Served(first, last)
        factor = self._asked.factor(b_short, gamma)
        above = self.case.serves(b_short, last, gamma_lo=factor)
        below = self.case.serves(first, b_short, gamma_hi=factor)
        return below, above if self.case.has_requests(above) else None

    def find(self, pools: Iterable[tuple[Served, ProfileSpec]]) -> None:
        """Look for the sizes of several pools side by side, which solves their chains together.

        By the published method there are none.
        """
        if self._asked.method == "published":
            return
        found = {self.table(*pool): None for pool in pools if self._fits(*pool)}
        tables = [table for table in found if isinstance(table, OccupancyTable)]
        open_ = tables
        while open_ := [table for table in open_ if not table.least().is_over]:
            solve_chains(row for table in open_ for row in table.waiting_rows())
            for table in open_:
                table.least().look()
        solve_chains(table.row(table.min_replicas() or _by_utilization(table)) for table in tables)

    def size(self, what: Served, gpu: ProfileSpec) -> PoolSize:
        """The least pool that keeps the bound on these replicas.

        Where none does, however large, the one that keeps the utilization. Raises InputError
        if a replica cannot hold the context.
        """
        table = self.table(what, gpu)
        found = table.min_replicas()
        if found is None:
            return self._sized(table, what, gpu, _by_utilization(table), admissible=False)
        return self._sized(table, what, gpu, found, admissible=True)

    def of(self, what: Served, gpu: ProfileSpec, replicas: int) -> PoolSize:
        """The same pool with a number of replicas that is given."""
        table = self.table(what, gpu)
        return self._sized(table, what, gpu, replicas, table.is_admissible(replicas))

    def _sized(
        self,
        table: PoolTable,
        what: Served,
        gpu: ProfileSpec,
        replicas: int,
        admissible: bool,
    ) -> PoolSize:
        rate = self.case.pool_rate(what)
        p99_ms = 1000.0 * (table.row(replicas).percentile_s("ttft", 99.0) or math.inf)
        # the published method holds only the wait to the bound, not the TTFT that it reports
        keeps = admissible and p99_ms <= self._asked.t_slo_ms * (1.0 + 1e-6)
        is_true = self._asked.method == "fleetopt"
        return PoolSize(
            what=what,
            gpu=gpu,
            arrival_rate=rate,
            replicas=replicas,
            bought=replicas_to_buy(replicas, self._asked.availability),
            p99_ttft_ms=p99_ms,
            meets=keeps,
            true_table=lambda: table if is_true else self._true_makers[gpu.name](what, rate),
        )

    def table(self, what: Served, gpu: ProfileSpec) -> PoolTable:
        """The table of a pool at its arrival rate.

        Raises InputError if a replica cannot hold the context.
        """
        if not self._fits(what, gpu):
            text = f"no replica of {gpu.name} holds {what.hi_tokens:,} tokens"
            raise InputError.single("gpu", text)
        key, rate = (what, gpu.name), self.case.pool_rate(what)
        known = self._latest.get(key)
        if known is None or known.arrival_rate != rate:
            known = self._latest[key] = self._table(what, gpu.name).at_rate(rate)
        return known

    def _fits(self, what: Served, gpu: ProfileSpec) -> bool:
        """Whether a replica holds the largest context of a pool."""
        profile = self.case.profile(gpu.name)
        return self.case.capacity(profile, what.hi_tokens).slots >= 1

    def _table(self, what: Served, gpu: str) -> PoolTable:
        """The table of a pool at some rate, made once."""
        if (what, gpu) not in self._known:
            make = self._makers[gpu]
            self._known[what, gpu] = make(self._counted(what), self.case.pool_rate(what))
        return self._known[what, gpu]

    def _counted(self, what: Served) -> Served:
        """The requests whose service times the method counts.

        The published one has only those that are never compressed, longer than gamma B. Where
        the largest context ends there, those that were cut to it stand for them. Raises
        InfeasibleError if there are none.
        """
        last, lengths = what.hi_tokens, self.case.lengths
        if self._asked.method == "fleetopt" or lengths.share(what.gives_up_to, last) > 0:
            return what
        if lengths.clipped_share > 0:
            return Served(last - 1, last)
        raise InfeasibleError(
            f"the published method has no service times for the long pool: no requests have more "
            f"than {what.gives_up_to:,} tokens"
        )

    @cached_property
    def _makers(self) -> dict[str, Callable[[Served, float], PoolTable]]:
        return {profile.name: maker(self.case, profile) for profile in self.case.profiles}

    @cached_property
    def _true_makers(self) -> dict[str, Callable[[Served, float], PoolTable]]:
        """Makers of the tables that count all work."""
        problem = self.case.problem.model_copy(update={"method": "fleetopt"})
        case = replace(self.case, problem=problem)
        return {profile.name: maker(case, profile) for profile in case.profiles}


def _by_utilization(table: PoolTable) -> int:
    """The fewest replicas within the utilization cap; utilization falls as 1 / n."""
    return max(1, math.ceil(table.utilization(1) / table.limits.max_utilization - 1e-9))
