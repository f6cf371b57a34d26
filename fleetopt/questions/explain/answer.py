"""What an explanation says: findings by pool and bound, each with its counterfactuals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fleetopt.plan import Interval
from fleetopt.problem import LatencyBound
from fleetopt.problem.fleet import Scope
from fleetopt.questions.explain.causes import REASONS, Cause
from fleetopt.questions.fleets.answer import Simulation, Standing

Examined = Literal["misses", "slowest"]


@dataclass(frozen=True)
class Removal:
    """What removing one cause does on the same requests.

    attained: share within the examined limit. gained: its difference to the fleet as it is,
    paired. won_back: share of the examined misses that it wins back.
    """

    cause: Cause
    changed: str
    attained: Interval
    gained: Interval
    won_back: Interval


@dataclass(frozen=True)
class Band:
    """Requests by length, of (lo, hi] tokens: how many, and how many of them are beyond."""

    lo_tokens: int
    hi_tokens: int
    arrivals: int
    missed: int


@dataclass(frozen=True)
class Finding:
    """One bound in one pool, or in the fleet as a whole where `pool` is empty.

    attained: share of the arrivals within the bound. value_ms: its percentile.
    examined: "misses" of the bound; or, where there are too few of them, the "slowest" requests
        beyond the fleet's own percentile. limit_ms: the limit beyond which requests are examined.
    examined_count: how many these are.
    mean_ms: mean time of the examined requests in each part. leading: share of them of which
        a part is the longest. hopeless: share beyond the limit even on an empty replica.
    clustered: share of them in the worst replication, or block of a recording.
    cause: the binding one; None if there is nothing to examine.
    by_total, by_prompt: all and examined requests by total length and by prompt.
    """

    pool: str
    bound: LatencyBound
    standing: Standing
    attained: Interval
    value_ms: Interval
    arrivals: int
    missed: int
    examined: Examined
    limit_ms: float
    examined_count: int
    mean_ms: Mapping[Cause, float]
    leading: Mapping[Cause, float]
    hopeless: float
    clustered: float
    removals: tuple[Removal, ...]
    cause: Cause | None
    by_total: tuple[Band, ...]
    by_prompt: tuple[Band, ...]

    @property
    def binding(self) -> Removal | None:
        """What removing the binding cause does."""
        return next((one for one in self.removals if one.cause is self.cause), None)

    @property
    def won_back_together(self) -> float:
        """Sum of what removing each part of the time wins back alone; 1 if parts just add up.

        Reasons of a wait are in the wait, so they are not counted again.
        """
        parts = [one for one in self.removals if one.cause not in REASONS]
        return sum(max(0.0, one.won_back.estimate or 0.0) for one in parts)

    def removal(self, cause: Cause) -> Removal | None:
        """What removing a cause does, if it was tried."""
        return next((one for one in self.removals if one.cause is cause), None)


@dataclass(frozen=True)
class Remedy:
    """A fleet with something changed, on the same requests.

    changed: in words. gpus: of the whole fleet. attained: within the bound of the finding that
    it is to mend. gained: paired difference. standing: of that bound.
    missed: requests beyond it. leading: share of these of which each part is the longest.
    paged: whether its KV is paged and that of the fleet as it is is not.
    """

    changed: str
    gpus: int
    attained: Interval
    gained: Interval
    standing: Standing
    missed: int
    leading: Mapping[Cause, float]
    paged: bool = False

    @property
    def cause(self) -> Cause | None:
        """What took most of the time in most of its misses; None if there are none."""
        return max(self.leading, key=lambda part: self.leading[part], default=None)


@dataclass(frozen=True)
class Explanation:
    """Why a fleet misses, or what would bind first.

    findings: by pool and bound, and of the fleet as a whole where it has several pools.
    worst: the index of the finding that the first sentence is about.
    remedies: what was tried to mend it; for a fleet that passes, what taking a replica does.
    """

    simulation: Simulation
    scope: Scope
    findings: tuple[Finding, ...]
    worst: int
    remedies: tuple[Remedy, ...]

    @property
    def answer(self) -> Finding:
        """The finding that the first sentence is about."""
        return self.findings[self.worst]
