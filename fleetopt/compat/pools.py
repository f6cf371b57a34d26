"""Two pools with given GPUs: the problem they make, their sizes by the tables, their program.

The published interface fixes which GPU serves which pool; a `FleetProblem` leaves that to the
program. Here the tables of a problem are asked for one pool at a time, and a program is held
to the two GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fleetopt.case import Case
from fleetopt.compat.profiles import ManualProfile
from fleetopt.compat.workload import CdfWorkload, Points
from fleetopt.errors import InputError
from fleetopt.optimization.design import pool_tables
from fleetopt.problem import FleetProblem, LengthCdf, validate
from fleetopt.queueing.availability import replicas_to_buy
from fleetopt.queueing.table import PoolTable
from fleetopt.study import build_program
from fleetopt.verification import Judged

Cdf = str | Path | Points | LengthCdf | CdfWorkload
"""Anything that states a length distribution."""


@dataclass(frozen=True)
class TwoPools:
    """What the published interface asks: two GPUs, a bound, and what goes with them.

    short, long: profiles of the pool for short requests and of the one above it.
    t_slo_ms: bound on P99 TTFT. long_max_ctx: largest context, in tokens.
    availability: share of the time that a replica is up.
    method: "fleetopt" or "published".
    """

    cdf: LengthCdf
    lam: float
    short: ManualProfile
    long: ManualProfile
    t_slo_ms: float
    long_max_ctx: int
    availability: float = 1.0
    method: str = "fleetopt"

    def is_one_pool(self, b_short: int) -> bool:
        """Whether every request belongs into the short pool."""
        return b_short >= min(self.long_max_ctx, self.cdf.max_tokens) > 0

    def split(self, b_short: int, **keys: Any) -> FleetProblem:
        """The problem with one fixed threshold. Raises InputError with every fault."""
        if self.is_one_pool(b_short):
            return self._problem(max_context=b_short, thresholds=[], **keys)
        return self._problem(max_context=self.long_max_ctx, thresholds=[b_short], **keys)

    def anywhere(self) -> FleetProblem:
        """The problem that may split at every point of the distribution. Raises InputError."""
        return self._problem(max_context=self.long_max_ctx)

    def program(self, b_short: int, **keys: Any) -> Any:
        """The program of a fixed threshold in which each pool has its GPU. Raises InputError."""
        model = build_program(self.split(b_short, **keys))
        for c in model.candidates:
            gpu = self.long if model.candidate[c].hi_tokens > b_short else self.short
            if model.candidate[c].profile != gpu.spec.name:
                for index in model.rows_of[c]:
                    model.z[index].fix(0)
        return model

    def _problem(self, **keys: Any) -> FleetProblem:
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
            "method": self.method,
        }
        return validate(FleetProblem, {**stated, **keys}, "")


@dataclass(frozen=True)
class PoolSize:
    """One pool by its table.

    gpu: of its replicas. replicas: that must be up. bought: with spare ones.
    p99_ttft_ms: of those that must be up. meets: whether that is within the bound.
    """

    lo_tokens: int
    hi_tokens: int
    gpu: ManualProfile
    arrival_rate: float
    replicas: int
    bought: int
    p99_ttft_ms: float
    meets: bool

    @property
    def usd_per_hour(self) -> float:
        """Price of all that is bought."""
        return self.bought * self.gpu.cost_per_hr

    def judged(self) -> Judged:
        """The pool as the simulator is asked about it."""
        name = self.gpu.spec.name
        return Judged(self.lo_tokens, self.hi_tokens, name, self.replicas, self.arrival_rate)


class Sizes:
    """Sizes of the pools of a problem; every table is made once."""

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

    def split(self, b_short: int) -> tuple[PoolSize | None, PoolSize | None]:
        """The pools up to `b_short` and above it; None where there are no requests.

        Raises InputError.
        """
        last = self.points[-1]
        if self._asked.is_one_pool(b_short):
            return self.size(0, last, self._asked.short), None
        if b_short not in self.points:
            return None, self.size(0, last, self._asked.long)
        short = self.size(0, b_short, self._asked.short)
        return short, self.size(b_short, last, self._asked.long)

    def size(self, lo: int, hi: int, gpu: ManualProfile) -> PoolSize:
        """The least pool that keeps the bound on these replicas.

        Where none does, however large, the one that keeps the utilization. Raises InputError
        if a replica cannot hold the context.
        """
        table = self._tables.get((lo, hi, gpu.spec.name))
        if table is None:
            raise InputError.single("gpu", f"no replica of {gpu.name} holds {hi:,} tokens")
        found = table.min_replicas()
        replicas = _by_utilization(table) if found is None else found
        bought = replicas_to_buy(replicas, self._asked.availability)
        p99_ms = 1000.0 * (table.row(replicas).percentile_s("ttft", 99.0) or math.inf)
        # the published method holds only the wait to the bound, not the TTFT that it reports
        meets = found is not None and p99_ms <= self._asked.t_slo_ms * (1.0 + 1e-6)
        return PoolSize(lo, hi, gpu, table.arrival_rate, replicas, bought, p99_ms, meets)

    @cached_property
    def _tables(self) -> dict[tuple[int, int, str], PoolTable]:
        tables = pool_tables(self.case)
        return {(t.lo_tokens, t.hi_tokens, t.profile.name): t for t in tables}


def _by_utilization(table: PoolTable) -> int:
    """The fewest replicas within the utilization cap; utilization falls as 1 / n."""
    return max(1, math.ceil(table.row(1).utilization / table.limits.max_utilization - 1e-9))
