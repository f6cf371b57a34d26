"""Where to split: every point of a distribution as the threshold between two pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.questions.two_pools.sizes import PoolSize, Sizes
from fleetopt.questions.two_pools.split import Split
from fleetopt.questions.two_pools.sweep import sized
from fleetopt.workload.compression import Served

LEAST_SHARE, MOST_SHARE = 0.01, 0.999
"""Shares of short requests between which a point is worth a split, as published."""


@dataclass(frozen=True)
class Threshold:
    """One split of the requests, against one pool on the GPU of the long one.

    alpha: share of the requests up to the split.
    saving_pct: of the cost of one pool; negative if two cost more.
    pareto: no other split costs less and has a lower worst P99.
    """

    split: Split
    alpha: float
    saving_pct: float
    pareto: bool = False

    def is_beaten_by(self, other: Threshold) -> bool:
        """Whether another split costs less and has a lower worst P99."""
        cheaper = other.split.usd_per_hour < self.split.usd_per_hour
        return cheaper and other.split.worst_p99_ms < self.split.worst_p99_ms


@dataclass(frozen=True)
class Thresholds:
    """Every split in ascending order, and the one pool that they are compared with."""

    asked: TwoPools
    gamma: float
    one_pool: PoolSize
    rows: Sequence[Threshold]


def thresholds(asked: TwoPools, gamma: float = 1.0) -> Thresholds:
    """Every split at a point of the distribution, the non-dominated ones marked.

    gamma: at each split, requests of up to gamma times its length are compressed to it.
    Raises InputError.
    """
    sizes = Sizes(asked, asked.anywhere(gamma))
    one_pool = sizes.size(Served(0, sizes.points[-1]), asked.long)
    rows = [
        _row(sizes, point, gamma, one_pool)
        for point in sizes.points[1:-1]
        if LEAST_SHARE <= sizes.share(0, point) <= MOST_SHARE
    ]
    marked = [replace(row, pareto=not any(map(row.is_beaten_by, rows))) for row in rows]
    return Thresholds(asked, gamma, one_pool, tuple(marked))


def _row(sizes: Sizes, point: int, gamma: float, one_pool: PoolSize) -> Threshold:
    split = sized(sizes, point, gamma)
    saving_pct = 100.0 * (1.0 - split.usd_per_hour / one_pool.usd_per_hour)
    return Threshold(split, sizes.share(0, point), saving_pct)
