"""Two pools with given GPUs: the problem they make, their sizes by the tables, their program.

The published interface fixes which GPU serves which pool; a `FleetProblem` leaves that to the
program. Here the tables of a problem are asked for one pool at a time, and a program is held
to the two GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fleetopt.case import Case
from fleetopt.compat.profiles import ManualProfile
from fleetopt.compat.workload import CdfWorkload, Points
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.tables import maker
from fleetopt.problem import FleetProblem, LengthCdf, validate
from fleetopt.queueing.availability import replicas_to_buy
from fleetopt.queueing.table import PoolTable
from fleetopt.study import build_program
from fleetopt.verification import Judged
from fleetopt.workload.compression import Served

Cdf = str | Path | Points | LengthCdf | CdfWorkload
"""Anything that states a length distribution."""


@dataclass(frozen=True)
class TwoPools:
    """What the published interface asks: two GPUs, a bound, and what goes with them.

    short, long: profiles of the pool for short requests and of the one above it.
    t_slo_ms: bound on P99 TTFT. long_max_ctx: largest context, in tokens.
    availability: share of the time that a replica is up.
    method: "fleetopt" or "published".
    p_c: share of the requests above a split that can be compressed and are.
    """

    cdf: LengthCdf
    lam: float
    short: ManualProfile
    long: ManualProfile
    t_slo_ms: float
    long_max_ctx: int
    availability: float = 1.0
    method: str = "fleetopt"
    p_c: float = 0.75

    def is_one_pool(self, b_short: int) -> bool:
        """Whether every request belongs into the short pool."""
        return b_short >= min(self.long_max_ctx, self.cdf.max_tokens) > 0

    def factor(self, b_short: int, gamma: float) -> float:
        """The factor of compression at a split; none reaches beyond the largest context."""
        if self.is_one_pool(b_short):
            return 1.0
        return min(gamma, self.long_max_ctx / b_short)

    def split(self, b_short: int, gammas: Sequence[float] = (1.0,), **keys: Any) -> FleetProblem:
        """The problem with one fixed threshold. Raises InputError with every fault."""
        if self.is_one_pool(b_short):
            return self._problem(gammas, max_context=b_short, thresholds=[], **keys)
        ends = {"max_context": self.long_max_ctx, "thresholds": [b_short]}
        stated = self._problem(gammas, **ends, **keys)
        within = {self.factor(b_short, gamma) for gamma in stated.gammas}
        return stated.model_copy(update={"gammas": tuple(sorted(within))})

    def anywhere(self, gamma: float = 1.0) -> FleetProblem:
        """The problem that may split at every point of the distribution. Raises InputError."""
        return self._problem([gamma], max_context=self.long_max_ctx)

    def program(self, b_short: int, gamma: float = 1.0, **keys: Any) -> Any:
        """The program of a fixed threshold and factor in which each pool has its GPU.

        Raises InputError.
        """
        model = build_program(self.split(b_short, [gamma], **keys))
        for c in model.candidates:
            if not self._is_asked(model.candidate[c], b_short, gamma):
                for index in model.rows_of[c]:
                    model.z[index].fix(0)
        return model

    def _is_asked(self, pool: Candidate, b_short: int, gamma: float) -> bool:
        """Whether a pool has the GPU and, at the split, the factor that were asked for."""
        gpu = self.long if pool.hi_tokens > b_short else self.short
        factor = self.factor(b_short, gamma)
        factors = {pool.lo_tokens: pool.gamma_lo, pool.hi_tokens: pool.gamma_hi}
        return pool.profile == gpu.spec.name and factors.get(b_short, factor) == factor

    def _problem(self, gammas: Sequence[float], **keys: Any) -> FleetProblem:
        specs = {gpu.spec.name: gpu.spec for gpu in (self.short, self.long)}
        if self.short.spec != self.long.spec and len(specs) == 1:
            place = f"profile {self.short.name!r}"
            raise InputError.single(place, "two different profiles have this name", "rename one")
        stated = {
            "cdf": self.cdf,
            "arrival_rate": self.lam,
            "slo": [{"metric": "ttft", "percentile": 99.0, "limit_ms": self.t_slo_ms}],
            "gpus": list(specs),
            "profiles": list(specs.values()),
            "max_pools": 2,
            "overlong": "clip",
            "availability": self.availability,
            "availability_rule": "mean",
            "method": self.method,
            "gammas": list(dict.fromkeys(gammas)),
            "compressible_share": self.p_c,
        }
        return validate(FleetProblem, {**stated, **keys}, "")


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
    gpu: ManualProfile
    arrival_rate: float
    replicas: int
    bought: int
    p99_ttft_ms: float
    meets: bool
    utilization: float

    @property
    def usd_per_hour(self) -> float:
        """Price of all that is bought."""
        return self.bought * self.gpu.cost_per_hr

    def judged(self) -> Judged:
        """The pool as the simulator is asked about it."""
        lo, hi = self.what.lo_tokens, self.what.hi_tokens
        name = self.gpu.spec.name
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

    def size(self, what: Served, gpu: ManualProfile) -> PoolSize:
        """The least pool that keeps the bound on these replicas.

        Where none does, however large, the one that keeps the utilization. Raises InputError
        if a replica cannot hold the context.
        """
        profile = self.case.profile(gpu.spec.name)
        if self.case.capacity(profile, what.hi_tokens).slots < 1:
            text = f"no replica of {gpu.name} holds {what.hi_tokens:,} tokens"
            raise InputError.single("gpu", text)
        rate = self.case.pool_rate(what)
        table = self._makers[profile.name](self._counted(what), rate)
        found = table.min_replicas()
        replicas = _by_utilization(table) if found is None else found
        p99_ms = 1000.0 * (table.row(replicas).percentile_s("ttft", 99.0) or math.inf)
        return PoolSize(
            what=what,
            gpu=gpu,
            arrival_rate=rate,
            replicas=replicas,
            bought=replicas_to_buy(replicas, self._asked.availability),
            p99_ttft_ms=p99_ms,
            # the published method holds only the wait to the bound, not the TTFT that it reports
            meets=found is not None and p99_ms <= self._asked.t_slo_ms * (1.0 + 1e-6),
            utilization=maker(self._true, profile)(what, rate).utilization(replicas),
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
