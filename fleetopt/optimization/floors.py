"""Bounds below what every pool uses, from the least replicas that it may have."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.bounds import Mask, PathBounds
from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.options import ArcOptions
from fleetopt.optimization.uses import Use
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import Phase
from fleetopt.queueing.floor import RowFloors
from fleetopt.queueing.phase_floor import PhaseFloors
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats


class Floors:
    """Every pool in every way, the arcs, with a bound on what it uses.

    Arc i is pool i % len(pools) in way i // len(pools).
    """

    def __init__(self, case: Case, pools: Sequence[Served], use: Use, rows: RowFloors) -> None:
        self._case, self._pools, self._use = case, pools, use
        self._rows, self._apart = rows, PhaseFloors(case, pools)

    def paths(self, ways: ArcOptions, among: Mask | None = None) -> PathBounds:
        """The arcs, each with the bound for the least replicas that it may have.

        among: the arcs that can be built; every one if absent.
        """
        case = self._case
        position = {node: i for i, node in enumerate(case.nodes)}
        ends = np.array([[position[n] for n in what.nodes] for what in self._pools]).reshape(-1, 2)
        starts, ends = np.tile(ends.T, (1, len(ways)))
        whole = [self._values(profile) for profile in case.profiles] if case.has_together else []
        values = np.array([*whole, *ways.floors_apart(self._use, self._apart)]).ravel()
        if among is not None:
            values = np.where(among, values, math.inf)
        return PathBounds(starts, ends, values, len(position), case.problem.max_pools)

    def least_of(
        self, candidates: Sequence[Candidate], profile: ReplicaProfile, pool: int
    ) -> float:
        """The least that a row of a pool's candidates uses, or one with more replicas."""
        found = (self._least_row(candidate, profile, pool) for candidate in candidates)
        return min(found, default=math.inf)

    def bound(
        self, profile: ReplicaProfile, pool: int, replicas: float, phase: Phase | None
    ) -> float:
        """A bound below what a pool with at least so many replicas uses."""
        used = self._of_replica(profile, pool, phase) * replicas
        if not self._use.per_kw:
            return used
        many = np.full(len(self._pools), float(replicas))
        drawn = (
            self._rows.kilowatts(profile, many)
            if phase is None
            else self._apart.kilowatts(profile, phase, many)
        )
        return used + self._use.per_kw * float(drawn[pool])

    def _least_row(self, candidate: Candidate, profile: ReplicaProfile, pool: int) -> float:
        each, rows = self._of_replica(profile, pool, candidate.phase), candidate.rows
        if not self._use.per_kw:
            return each * min(row.bought for row in rows)
        least = min(each * row.bought + self._use.per_kw * (row.drawn_kw or 0.0) for row in rows)
        return min(least, self.bound(profile, pool, rows[-1].bought + 1, candidate.phase))

    def _of_replica(self, profile: ReplicaProfile, pool: int, phase: Phase | None) -> float:
        capacity = self._case.capacity(profile, self._pools[pool].hi_tokens)
        return self._use.of_replica(profile, capacity, phase)

    def _values(self, profile: ReplicaProfile) -> Floats:
        case, use = self._case, self._use
        replicas = np.maximum(self._rows.least(profile), case.problem.min_replicas)
        batches = {t: case.capacity(profile, t) for t in case.breakpoints[1:]}
        offered = {t: b for t, b in batches.items() if case.has_use_for(profile, b)}
        each = {t: use.of_replica(profile, batch, None) for t, batch in offered.items()}
        possible = np.isfinite(replicas) & [what.hi_tokens in offered for what in self._pools]
        replicas[~possible] = 1.0
        drawn = self._rows.kilowatts(profile, replicas) if use.per_kw else 0.0
        used = replicas * [each.get(what.hi_tokens, 0.0) for what in self._pools]
        values: Floats = np.where(possible, used + use.per_kw * drawn, math.inf)
        return values
