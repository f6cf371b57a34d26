"""The levers of a fleet that is asked for less power: what they draw, and what they cost.

A mix caps batches at k sequences, leaves m of N replicas of g GPUs on, and defers a share d of the
requests. It draws

    at the cap:  m g P(k)      as published, as if every batch were full;
    really:      m g E[P(n)]   over the occupancy of m replicas at (1 - d) lambda,

and an event of T seconds costs c_d d lambda T + c_s (N - m). A cap costs nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from fleetopt.errors import Fault, InputError
from fleetopt.questions.energy.capped import CappedPool
from fleetopt.questions.energy.event import SimulatedEvent
from fleetopt.questions.energy.pools import power_of
from fleetopt.simulation.event import Levers

Count = Literal["at the cap", "really"]
STEP = 0.01
"""Shares that may be deferred are multiples of it."""
MOST_DEFERRED = 0.99
_NEVER = 1e-12
"""Share of the time that a batch may be longer than a cap that is taken for none."""


@dataclass(frozen=True)
class Terms:
    """How far the levers go, and what they cost.

    most_deferred: largest share of the requests that may be put off. usd_per_deferred: of a
    request that is. usd_per_switch: of switching a replica off and on again.
    """

    most_deferred: float = 0.2
    usd_per_deferred: float = 0.0
    usd_per_switch: float = 0.0

    @property
    def steps(self) -> int:
        """The largest share that may be deferred, in steps."""
        return int(self.most_deferred / STEP + 1e-9)

    def check(self) -> None:
        """Raise InputError with everything that is impossible."""
        faults = [
            Fault(name, f"expected a price of at least 0, got {value:g}")
            for name, value in vars(self).items()
            if name.startswith("usd") and not 0.0 <= value < float("inf")
        ]
        if not 0.0 <= self.most_deferred <= MOST_DEFERRED:
            text = f"expected a share from 0 to {MOST_DEFERRED:g}, got {self.most_deferred:g}"
            faults.append(Fault("most_deferred", text))
        if faults:
            raise InputError(faults)


@dataclass(frozen=True)
class Mix:
    """Levers that keep the SLO of what is still served, and what they are worth.

    off: replicas that are. usd: of the whole event. at_cap_kw, drawn_kw: by the two counts.
    event: with these levers, if it was simulated.
    """

    levers: Levers
    off: int
    usd: float
    at_cap_kw: float
    drawn_kw: float
    p99_ttft_ms: float
    event: SimulatedEvent | None = None


class LeverTable:
    """What a pool keeps and draws under each mix, computed when it is asked for.

    A mix is replicas, the deferred share in steps, and a cap. Replicas that stay on are within the
    problem's utilization cap, or as busy as the whole fleet was before.
    """

    def __init__(self, pool: CappedPool) -> None:
        self.pool = pool
        self.power = power_of(pool.profile)
        self.rate = pool.free.arrival_rate
        self._eased: dict[tuple[int, int], EasedPool] = {}

    def eased(self, replicas: int, step: int) -> EasedPool:
        """The pool with so many replicas and without the requests of so many steps."""
        key = replicas, step
        if key not in self._eased:
            free = self.pool.free
            if step:
                free = free.at_rate(self.rate * (1.0 - STEP * step))
            self._eased[key] = EasedPool(replace(self.pool, replicas=replicas, free=free))
        return self._eased[key]

    def is_large_enough(self, replicas: int, step: int) -> bool:
        """Whether the replicas are not too busy without a cap."""
        free, pool = self.eased(replicas, step).pool.free, self.pool
        before = pool.free.utilization(pool.replicas)
        allowed = max(pool.case.problem.max_utilization, before)
        return free.utilization(replicas) <= allowed * (1.0 + 1e-12) < 1.0

    def at_cap_kw(self, replicas: int, cap: int) -> float:
        """Draw with every batch at its cap."""
        gpus = replicas * self.pool.profile.gpus_per_replica
        return gpus * self.power.watts(cap) / 1000.0

    def kilowatts(self, count: Count, replicas: int, step: int, cap: int) -> float:
        """Draw of a mix by one of the counts."""
        if count == "at the cap":
            return self.at_cap_kw(replicas, cap)
        return self.eased(replicas, step).drawn_kw(cap)

    def mix(self, replicas: int, step: int, cap: int, terms: Terms, minutes: float) -> Mix:
        """A mix with its figures."""
        eased, off = self.eased(replicas, step), self.pool.replicas - replicas
        deferred = STEP * step * self.rate * 60.0 * minutes
        row = eased.pool.row(cap)
        return Mix(
            levers=Levers(cap, replicas, STEP * step),
            off=off,
            usd=terms.usd_per_deferred * deferred + terms.usd_per_switch * off,
            at_cap_kw=self.at_cap_kw(replicas, cap),
            drawn_kw=eased.drawn_kw(cap),
            p99_ttft_ms=1000.0 * (row.percentile_s("ttft", 99.0) or 0.0),
        )


class EasedPool:
    """Some replicas with some of the requests, under each cap; all that no batch reaches are one.

    pool: with these replicas and requests.
    """

    def __init__(self, pool: CappedPool) -> None:
        self.pool = pool
        self._kept: dict[int, bool] = {}
        self._drawn: dict[int, float] = {}

    def keeps(self, cap: int) -> bool:
        """Whether the SLO is kept by the table."""
        cap = self._felt(cap)
        if cap not in self._kept:
            self._kept[cap] = cap >= self.least and self.pool.meets(cap)
        return self._kept[cap]

    def drawn_kw(self, cap: int) -> float:
        """Mean draw of all its GPUs."""
        cap = self._felt(cap)
        if cap not in self._drawn:
            self._drawn[cap] = self.pool.gpus * self.pool.drawn_w(cap) / 1000.0
        return self._drawn[cap]

    def downwards(self, cap: int) -> Iterator[int]:
        """A cap and all that differ from it below, down to the least with which it keeps up."""
        if cap >= self.least:
            yield cap
            yield from range(min(cap, self.reached) - 1, self.least - 1, -1)

    def upwards(self) -> Iterator[int]:
        """Every cap that differs from those above, from the least with which the pool keeps up."""
        yield from range(self.least, min(self.reached, self.pool.slots) + 1)

    @cached_property
    def least(self) -> int:
        """The least cap with which the pool keeps up; more than its slots if none does."""
        caps = range(1, self.pool.slots + 1)
        return 1 + bisect_left(caps, True, key=lambda cap: self.pool.utilization(cap) < 1.0)

    @cached_property
    def reached(self) -> int:
        """The least cap that no batch goes beyond; the slots where batches fill them."""
        slots, replicas = self.pool.slots, self.pool.replicas
        found = self.pool.free.occupancy(replicas)
        if not found.is_stable or found.wait_probability >= _NEVER:
            return slots
        beyond = np.cumsum(found.probabilities[::-1])[::-1] + found.wait_probability
        often = found.states[beyond >= _NEVER]
        return min(slots, max(self.least, int(often[-1]) // replicas + 1))

    def _felt(self, cap: int) -> int:
        return self.pool.slots if cap >= self.reached else cap
