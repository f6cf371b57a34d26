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
from fleetopt.queueing.floor import RowFloors, rounded
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
        bounds, busy = self._of_profiles(case.profiles if case.has_together else ())
        apart = ways.floors_apart(self._use, self._apart)
        values = np.concatenate((bounds.ravel(), *apart))
        loads = np.concatenate((busy.ravel(), *map(np.ones_like, apart)))
        if among is not None:
            values = np.where(among, values, math.inf)
        most = case.problem.max_pools
        return PathBounds(starts, ends, values, len(position), most, loads)

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
        used = self._of_replica(profile, pool) * replicas
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
        each, rows = self._of_replica(profile, pool), candidate.rows
        if not self._use.per_kw:
            return each * min(row.bought for row in rows)
        least = min(each * row.bought + self._use.per_kw * (row.drawn_kw or 0.0) for row in rows)
        return min(least, self.bound(profile, pool, rows[-1].bought + 1, candidate.phase))

    def _of_replica(self, profile: ReplicaProfile, pool: int) -> float:
        batches = self._rows.batches
        batch = batches.of(profile)[batches.end_of[pool]]
        return self._use.of_replica(profile, batch)

    def _of_profiles(self, profiles: Sequence[ReplicaProfile]) -> tuple[Floats, Floats]:
        """What every pool uses at least, by profile, and how busy its least replicas are.

        Infinite where it cannot be built.
        """
        if not profiles:
            return np.empty((0, len(self._pools))), np.empty((0, len(self._pools)))
        use, end_of = self._use, self._rows.batches.end_of
        needed = self._rows.needed(profiles)
        replicas = np.maximum(rounded(needed), self._case.problem.min_replicas)
        each, offered = self._each(profiles)
        possible = np.isfinite(replicas) & offered[:, end_of]
        replicas[~possible] = 1.0
        busy = np.where(possible, needed, 1.0) / replicas
        used = replicas * each[:, end_of]
        if use.per_kw:
            pairs = zip(profiles, replicas, strict=True)
            used += use.per_kw * np.array([self._rows.kilowatts(*pair) for pair in pairs])
        return np.where(possible, used, math.inf), busy

    def _each(self, profiles: Sequence[ReplicaProfile]) -> tuple[Floats, Mask]:
        """What a replica uses for each end of a pool, and whether it may run there."""
        batches = [self._rows.batches.of(profile) for profile in profiles]
        pairs = list(zip(profiles, batches, strict=True))
        each = np.array([self._use.of_batches(*pair) for pair in pairs])
        offered = [[self._case.has_use_for(profile, b) for b in some] for profile, some in pairs]
        return each, np.array(offered)
