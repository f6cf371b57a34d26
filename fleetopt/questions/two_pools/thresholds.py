"""Where to split: every point of a distribution as the threshold between two pools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fleetopt.errors import InputError
from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.questions.two_pools.sizes import Sizes
from fleetopt.questions.two_pools.split import SimulatedSplit, Split
from fleetopt.questions.two_pools.sweep import one_pool, sized, sweep

LEAST_SHARE, MOST_SHARE = 0.01, 0.999
"""Shares of short requests between which a point is worth a split, as published."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Threshold:
    """One split of the requests, against one pool on the GPU of the long one.

    alpha: share of the requests up to the split.
    saving_pct: of the cost of one pool, both by their tables; negative if two cost more.
    pareto: no other split costs less and has a lower worst P99, by the tables.
    simulated: with the pools that the simulator accepts; None if nothing was simulated.
    """

    split: Split
    alpha: float
    saving_pct: float
    pareto: bool = False
    simulated: SimulatedSplit | None = None

    @property
    def found(self) -> Split | SimulatedSplit:
        """The split by what is known best of it: its simulation if there is one."""
        return self.simulated or self.split

    def is_beaten_by(self, other: Threshold) -> bool:
        """Whether another split costs less and has a lower worst P99."""
        cheaper = other.split.usd_per_hour < self.split.usd_per_hour
        return cheaper and other.split.worst_p99_ms < self.split.worst_p99_ms


@dataclass(frozen=True)
class Thresholds:
    """Every split in ascending order, and the one pool that they are compared with.

    own: the split that the user has, if one was named.
    """

    asked: TwoPools
    gamma: float
    one_pool: Threshold
    rows: Sequence[Threshold]
    own: Threshold | None = None

    @property
    def recommended(self) -> Threshold | None:
        """The cheapest that keeps the SLO, one pool where two save nothing; None if none does.

        Of equal cost, the one with the lowest worst P99.
        """
        meeting = [row for row in (self.one_pool, *self.rows) if row.found.meets]
        return min(
            meeting,
            key=lambda row: (row.found.usd_per_hour, row is not self.one_pool,
                             row.found.worst_p99_ms),
            default=None,
        )  # fmt: skip

    @property
    def neighbours(self) -> Sequence[Threshold]:
        """The splits just below and above the recommended one."""
        best = self.recommended
        at = next((i for i, row in enumerate(self.rows) if row is best), None)
        if at is None:
            return ()
        return [self.rows[i] for i in (at - 1, at + 1) if 0 <= i < len(self.rows)]


def thresholds(asked: TwoPools, gamma: float = 1.0, own: int | None = None) -> Thresholds:
    """Every split at a point of the distribution by the tables, the non-dominated ones marked.

    gamma: at each split, requests of up to gamma times its length are compressed to it.
    own: a split of the user's, in tokens; it need not be a point of the distribution.
    Raises InputError.
    """
    sizes = Sizes(asked, asked.case_anywhere(gamma))
    points = [
        point for point in sizes.points[1:-1]
        if LEAST_SHARE <= sizes.share(0, point) <= MOST_SHARE
    ]  # fmt: skip
    sizes.find(pool for point in points for pool in sizes.pools(point, gamma))
    whole = Threshold(one_pool(sizes, asked.long), 1.0, 0.0)
    rows = [_row(sizes, point, gamma, whole) for point in points]
    marked = [replace(row, pareto=not any(map(row.is_beaten_by, rows))) for row in rows]
    return Thresholds(asked, gamma, whole, tuple(marked), _own(asked, gamma, own, whole, marked))


def simulate_thresholds(
    found: Thresholds, options: Mapping[str, Any] | None = None, progress: Progress | None = None
) -> Thresholds:
    """Every split, and the one pool, with the pools that the simulator accepts.

    options: the keys of `VerificationOptions` that are not the default.
    """
    from fleetopt.questions.two_pools.simulating import accepted

    asked = found.asked
    alone = replace(asked, short=asked.long)
    one = accepted(alone, found.one_pool.split, options, progress)
    seen = {
        row.split.b_short: replace(row, simulated=accepted(asked, row.split, options, progress))
        for row in (*found.rows, *([found.own] if found.own else []))
        if row.split.pools
    }
    own = found.own and seen.get(found.own.split.b_short, found.own)
    return replace(
        found,
        one_pool=replace(found.one_pool, simulated=one),
        rows=tuple(seen.get(row.split.b_short, row) for row in found.rows),
        own=own,
    )


def _row(sizes: Sizes, point: int, gamma: float, whole: Threshold) -> Threshold:
    return _against(whole, sized(sizes, point, gamma), sizes.share(0, point))


def _against(whole: Threshold, split: Split, alpha: float) -> Threshold:
    saving_pct = 100.0 * (1.0 - split.usd_per_hour / whole.split.usd_per_hour)
    return Threshold(split, alpha, saving_pct)


def _own(
    asked: TwoPools,
    gamma: float,
    own: int | None,
    whole: Threshold,
    rows: Sequence[Threshold],
) -> Threshold | None:
    """The user's split: one of the rows, or sized by itself."""
    if own is None:
        return None
    if own > asked.long_max_ctx:
        raise InputError.single("b_short", f"must be at most the largest context, got {own}")
    same = [row for row in rows if row.split.b_short == own]
    if same:
        return same[0]
    (split,) = sweep(asked, own, [gamma])
    short = split.short
    return _against(whole, split, short.arrival_rate / asked.lam if short else 0.0)
