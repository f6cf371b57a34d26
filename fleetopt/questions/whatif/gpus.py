"""Which GPU, and which mix: every GPU with one pool and with two, and every pair of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fleetopt.errors import InputError
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import ProfileSpec, WhatIf
from fleetopt.questions.two_pools import PoolSize, Sizes
from fleetopt.questions.whatif.asked import pools_of_gpus
from fleetopt.workload.compression import Served

if TYPE_CHECKING:
    from fleetopt.plan import Plan
    from fleetopt.questions.whatif.accepting import Accepted

Progress = Callable[[str], None]


@dataclass(frozen=True)
class PoolChoice:
    """A pool on one GPU.

    size: by the table. accepted: by the simulator; None if it was not asked.
    """

    size: PoolSize
    accepted: Accepted | None = None

    @property
    def replicas(self) -> int:
        """Those that are bought."""
        return self.accepted.replicas if self.accepted else self.size.bought

    @property
    def meets(self) -> bool:
        """Whether the bound is kept, by the simulator if it was asked."""
        return self.accepted.is_accepted if self.accepted else self.size.meets

    @property
    def gpus(self) -> int:
        """GPUs of all replicas."""
        return self.replicas * self.size.gpu.gpus_per_replica

    @property
    def usd_per_year(self) -> float:
        """Their price in 8760 hours."""
        return self.gpus * self.size.gpu.usd_per_hour * HOURS_PER_YEAR

    @property
    def p99_ttft_ms(self) -> float:
        """As simulated, if it was; infinite where it was not measured."""
        if self.accepted is None:
            return self.size.p99_ttft_ms
        estimate = self.accepted.said.p99_ttft_ms.estimate
        return math.inf if estimate is None else estimate


@dataclass(frozen=True)
class ComparedFleet:
    """One pool for all lengths, or two pools that split them at `b_short`.

    lam: requests per second. short, long: None for a pool without requests; one pool for all
        lengths is `whole`.
    """

    lam: float
    whole: PoolChoice | None = None
    short: PoolChoice | None = None
    long: PoolChoice | None = None

    @property
    def pools(self) -> Sequence[PoolChoice]:
        """Those that there are, the short one first."""
        return [pool for pool in (self.whole, self.short, self.long) if pool is not None]

    @property
    def gpu(self) -> str:
        """The GPU, or both, such as 'a10g+h100'."""
        return "+".join(dict.fromkeys(pool.size.gpu.name for pool in self.pools))

    @property
    def layout(self) -> str:
        """'homo', 'two-pool' or 'mixed'."""
        if self.whole is not None:
            return "homo"
        return "mixed" if "+" in self.gpu else "two-pool"

    @property
    def gpus(self) -> int:
        """GPUs of all pools."""
        return sum(pool.gpus for pool in self.pools)

    @property
    def usd_per_year(self) -> float:
        """Price of all pools."""
        return sum(pool.usd_per_year for pool in self.pools)

    @property
    def meets(self) -> bool:
        """Whether every pool keeps the bound."""
        return all(pool.meets for pool in self.pools)


@dataclass(frozen=True)
class GpuComparison:
    """Fleets of several GPUs.

    fleets: for each rate in turn, those that keep the bound first, the cheapest of them first.
    plans: for each rate the cheapest fleet that the program finds on these GPUs, split
        anywhere; empty if it was not asked.
    left_out: GPUs whose replicas cannot hold a pool's context, in words.
    notes: what to know of the lengths.
    """

    stated: WhatIf
    fleets: tuple[ComparedFleet, ...]
    plans: Mapping[float, Plan | None]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def at(self, lam: float) -> Sequence[ComparedFleet]:
        """The fleets of one rate."""
        return [fleet for fleet in self.fleets if fleet.lam == lam]

    @cached_property
    def is_simulated(self) -> bool:
        """Whether the simulator was asked."""
        return any(pool.accepted for fleet in self.fleets for pool in fleet.pools)


def compare_gpus(
    stated: WhatIf,
    *,
    simulate: bool = False,
    solve: bool = False,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> GpuComparison:
    """Every GPU with one pool and with two, every pair of GPUs, and what the program says.

    simulate: take the least pools that the simulator accepts. solve: also find the cheapest
        fleet of these GPUs that may split anywhere, verified if it is simulated too.
    Raises InputError for wrong input, and InfeasibleError where the published method has no
    figures.
    """
    sizes, gpus = pools_of_gpus(stated)
    left_out: dict[str, None] = {}
    fleets: list[ComparedFleet] = []
    for lam in dict.fromkeys(stated.rates):
        found = _Pools(sizes.at(lam), gpus, stated.b_short, left_out)
        choices = found.accepted(progress, executor) if simulate else found.by_table()
        fleets += _ranked(_fleets(lam, choices, gpus))
    plans = {lam: _plan(sizes, lam, simulate, progress) for lam in stated.rates} if solve else {}
    return GpuComparison(stated, tuple(fleets), plans, tuple(left_out), sizes.case.notes)


Choices = Mapping[tuple[str, str], PoolChoice]
"""Pools by their place, 'whole', 'short' or 'long', and their GPU."""


class _Pools:
    """The pools of one rate: each is sized once, for all fleets that have it."""

    def __init__(
        self, sizes: Sizes, gpus: Sequence[ProfileSpec], b_short: int, left_out: dict[str, None]
    ) -> None:
        self._sizes = sizes
        short, long = sizes.ranges(b_short)
        places = {"whole": Served(0, sizes.points[-1])}
        if short is not None and long is not None:
            places |= {"short": short, "long": long}
        self._sized: dict[tuple[str, str], PoolSize] = {}
        for place, what in places.items():
            for gpu in gpus:
                try:
                    self._sized[place, gpu.name] = sizes.size(what, gpu)
                except InputError as error:
                    left_out[error.faults[0].expected] = None

    def by_table(self) -> Choices:
        """As the tables size them."""
        return {key: PoolChoice(size) for key, size in self._sized.items()}

    def accepted(self, progress: Progress | None, executor: Executor | None) -> Choices:
        """As the simulator accepts them."""
        from fleetopt.questions.whatif.accepting import accepted
        from fleetopt.study.judging import judge_of

        case = self._sizes.case
        show = progress or (lambda _: None)
        with judge_of(case, case.problem.verification, show, executor) as judge:
            return {
                key: PoolChoice(size, accepted(judge, self._sizes, size))
                for key, size in self._sized.items()
            }


def _fleets(lam: float, pools: Choices, gpus: Sequence[ProfileSpec]) -> list[ComparedFleet]:
    names = [gpu.name for gpu in gpus]
    one = [ComparedFleet(lam, whole=pools["whole", n]) for n in names if ("whole", n) in pools]
    two = [
        ComparedFleet(lam, short=pools["short", a], long=pools["long", b])
        for a in names
        for b in names
        if ("short", a) in pools and ("long", b) in pools
    ]
    return one + two


def _ranked(fleets: list[ComparedFleet]) -> list[ComparedFleet]:
    """Those that keep the bound first, then by cost; of two alike, the one with fewer pools."""
    return sorted(fleets, key=lambda f: (not f.meets, round(f.usd_per_year, 2), len(f.pools)))


def _plan(sizes: Sizes, lam: float, verify: bool, progress: Progress | None) -> Plan | None:
    """The cheapest fleet that may split anywhere; None if none keeps the bound."""
    from fleetopt.errors import InfeasibleError
    from fleetopt.problem import FleetProblem
    from fleetopt.study import solve

    stated = sizes.case.problem
    anywhere = {
        "thresholds": None,
        "max_pools": FleetProblem().max_pools,
        "arrival_rate": lam,
        "verification": stated.verification.model_copy(update={"enabled": verify}),
    }
    try:
        return solve(stated.model_copy(update=anywhere), progress=progress)
    except InfeasibleError:
        return None
