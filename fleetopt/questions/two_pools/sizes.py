"""Sizes of two pools by the tables of their problem, one pool at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.optimization.tables import maker
from fleetopt.problem import FleetProblem, ProfileSpec
from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.queueing.availability import replicas_to_buy
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Served

if TYPE_CHECKING:
    from fleetopt.verification import Judged


@dataclass(frozen=True)
class PoolSize:
    """One pool by its table.

    what: the requests that it serves. gpu: of its replicas.
    replicas: that must be up. bought: with spare ones.
    p99_ttft_ms: of those that must be up. meets: whether that is within the bound.
    utilization: of those that must be up, by fleetopt's table, whatever the method: the work
        of all its requests over what the replicas can do.
    """

    what: Served
    gpu: ProfileSpec
    arrival_rate: float
    replicas: int
    bought: int
    p99_ttft_ms: float
    meets: bool
    utilization: float

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

    def __init__(self, asked: TwoPools, problem: FleetProblem) -> None:
        self.case = Case.of(problem)
        self._asked = asked

    @property
    def points(self) -> Sequence[int]:
        """Total lengths 0 = t_0 < ... < t_m at which the problem may split."""
        return self.case.breakpoints

    def share(self, lo: int, hi: int) -> float:
        """Share of the requests in (lo, hi]."""
        return self.case.lengths.share(lo, hi)

    def split(self, b_short: int, gamma: float = 1.0) -> tuple[PoolSize | None, PoolSize | None]:
        """The pools up to `b_short` and above it; None where there are no requests.

        gamma: requests of up to so many times `b_short` are compressed into the lower pool.
        Raises InputError, and InfeasibleError where the published method has no figures.
        """
        first, last = self.points[0], self.points[-1]
        if self._asked.is_one_pool(b_short):
            return self.size(Served(first, last), self._asked.short), None
        if b_short not in self.points:
            return None, self.size(Served(first, last), self._asked.long)
        factor = self._asked.factor(b_short, gamma)
        above = self.case.serves(b_short, last, gamma_lo=factor)
        long = self.size(above, self._asked.long) if self.case.has_requests(above) else None
        below = self.case.serves(first, b_short, gamma_hi=factor)
        return self.size(below, self._asked.short), long

    def size(self, what: Served, gpu: ProfileSpec) -> PoolSize:
        """The least pool that keeps the bound on these replicas.

        Where none does, however large, the one that keeps the utilization. Raises InputError
        if a replica cannot hold the context.
        """
        table = self.table(what, gpu)
        found = table.min_replicas()
        return self._sized(table, what, gpu, _by_utilization(table) if found is None else found)

    def of(self, what: Served, gpu: ProfileSpec, replicas: int) -> PoolSize:
        """The same pool with a number of replicas that is given."""
        return self._sized(self.table(what, gpu), what, gpu, replicas)

    def table(self, what: Served, gpu: ProfileSpec) -> PoolTable:
        """The table of a pool at its arrival rate.

        Raises InputError if a replica cannot hold the context.
        """
        profile = self.case.profile(gpu.name)
        if self.case.capacity(profile, what.hi_tokens).slots < 1:
            text = f"no replica of {gpu.name} holds {what.hi_tokens:,} tokens"
            raise InputError.single("gpu", text)
        return self._makers[profile.name](self._counted(what), self.case.pool_rate(what))

    def _sized(self, table: PoolTable, what: Served, gpu: ProfileSpec, replicas: int) -> PoolSize:
        rate = self.case.pool_rate(what)
        p99_ms = 1000.0 * (table.row(replicas).percentile_s("ttft", 99.0) or math.inf)
        # the published method holds only the wait to the bound, not the TTFT that it reports
        keeps = table.is_admissible(replicas) and p99_ms <= self._asked.t_slo_ms * (1.0 + 1e-6)
        true = maker(self._true, self.case.profile(gpu.name))(what, rate)
        return PoolSize(
            what=what,
            gpu=gpu,
            arrival_rate=rate,
            replicas=replicas,
            bought=replicas_to_buy(replicas, self._asked.availability),
            p99_ttft_ms=p99_ms,
            meets=keeps,
            utilization=true.utilization(replicas),
        )

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
    def _true(self) -> Case:
        """The case with the tables that count all work."""
        return replace(
            self.case, problem=self.case.problem.model_copy(update={"method": "fleetopt"})
        )


def _by_utilization(table: PoolTable) -> int:
    """The fewest replicas within the utilization cap; utilization falls as 1 / n."""
    return max(1, math.ceil(table.row(1).utilization / table.limits.max_utilization - 1e-9))
