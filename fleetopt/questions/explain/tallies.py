"""Misses counted by independent units, and intervals of their shares and differences.

A unit is a replication. One recording that is replayed has one; its blocks of time stand for
replications then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.plan import Interval
from fleetopt.questions.explain.seen import Seen
from fleetopt.simulation.records import Floats, Ints
from fleetopt.simulation.statistics import (
    CONFIDENCE,
    attainment_bounds,
    mean_interval,
    student_quantile,
)

_ERROR = (1.0 - CONFIDENCE) / 2


@dataclass(frozen=True, eq=False)
class Tally:
    """Requests of a part of the fleet, and those beyond a limit, by unit."""

    arrivals: Ints
    missed: Ints

    @property
    def misses(self) -> int:
        """All of them."""
        return int(self.missed.sum())

    @property
    def shares(self) -> Floats:
        """Share missed in each unit that has requests; NaN in others."""
        counts = np.where(self.arrivals > 0, self.arrivals, np.nan)
        return np.asarray(self.missed / counts)


@dataclass(frozen=True, eq=False)
class Units:
    """Which unit and which pool each request of the traffic belongs to, by replication."""

    unit: tuple[Ints, ...]
    pool: tuple[Ints, ...]
    count: int

    def tally(self, runs: Sequence[Seen], metric: str, limit_s: float, pool: int | None) -> Tally:
        """Misses of a pool, or of the fleet, in runs on this traffic."""
        return self.count_of(runs, [run.latency_s[metric] > limit_s for run in runs], pool)

    def count_of(
        self, runs: Sequence[Seen], missed: Sequence[np.ndarray], pool: int | None
    ) -> Tally:
        """The same of requests that are marked as missed."""
        arrivals, beyond = np.zeros(self.count), np.zeros(self.count)
        for r, (run, marked) in enumerate(zip(runs, missed, strict=True)):
            mine = self.members(r, run, pool)
            units = self.unit[r][run.index]
            arrivals += np.bincount(units[mine], minlength=self.count)
            beyond += np.bincount(units[mine & marked], minlength=self.count)
        return Tally(arrivals.astype(np.int64), beyond.astype(np.int64))

    def members(self, r: int, run: Seen, pool: int | None) -> np.ndarray:
        """Which measured requests of a replication belong to a pool, or to the fleet."""
        if pool is None:
            return np.ones(run.size, dtype=bool)
        return np.asarray(self.pool[r][run.index] == pool)


def attainment(tally: Tally) -> Interval:
    """Share of the requests within the limit, with its 95 % interval."""
    estimate, low, high = attainment_bounds(tally.missed.tolist(), tally.arrivals.tolist(), _ERROR)
    if math.isnan(estimate):
        return Interval(None, None, None)
    return Interval(estimate, low, high)


def gained(base: Tally, changed: Tally) -> Interval:
    """By how much the share within the limit grows, unit by unit, with its 95 % interval."""
    pairs = [d for d in base.shares - changed.shares if not math.isnan(d)]
    if not pairs:
        return Interval(None, None, None)
    found = mean_interval(pairs)
    if not math.isfinite(found.high):
        return Interval(found.estimate, None, None)
    return Interval(found.estimate, found.low, found.high)


def won_back(base: Tally, changed: Tally) -> Interval:
    """Share of the misses that a change wins back, with its 95 % interval.

    A ratio of sums over units; its interval is Fieller's linear approximation: Student's on the
    residuals of the units (Cochran, Sampling Techniques, 1977, section 6.4).
    """
    if not base.misses:
        return Interval(None, None, None)
    scale = base.arrivals / np.maximum(changed.arrivals, 1)
    won = base.missed - changed.missed * scale
    share = float(won.sum()) / base.misses
    units = int(np.count_nonzero(base.arrivals))
    if units < 2:
        return Interval(share, None, None)
    residuals = (won - share * base.missed)[base.arrivals > 0]
    deviation = math.sqrt(float(residuals @ residuals) / (units - 1))
    half = student_quantile(units, 1.0 - _ERROR) * deviation * math.sqrt(units) / base.misses
    return Interval(share, share - half, share + half)
