"""The ways in which an arc may be served: one profile for both phases, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.tables import Offer, PhaseTables, maker
from fleetopt.optimization.uses import Use
from fleetopt.performance.phase_links import PhasePairs
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import Phase
from fleetopt.queueing.phase_floor import PhaseFloors
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A profile for both phases, or one that prefills, a link, and one that decodes."""

    profile: ReplicaProfile
    pairs: PhasePairs | None = None
    decode: ReplicaProfile | None = None

    def is_of(self, gpu: str) -> bool:
        """Whether all of it runs on one type of GPU."""
        return self.profile.gpu == gpu and (self.decode is None or self.decode.gpu == gpu)


class ArcOptions:
    """Every way for every arc of a case; arcs in the order of `served`."""

    def __init__(self, case: Case, served: Sequence[Served]) -> None:
        self.served = served
        self._case = case
        self._phases = PhaseTables(case)
        self._made: dict[tuple[int, int], tuple[Offer, ...]] = {}
        self._ways = [Way(profile) for profile in case.profiles] if case.has_together else []
        self._ways += [
            Way(case.profile(first), pairs, case.profile(second))
            for pairs in case.phase_pairs
            for first in pairs.prefill
            for second in pairs.decode
        ]

    def __len__(self) -> int:
        return len(self._ways)

    def of_type(self, gpu: str) -> list[bool]:
        """Which ways are of one type of GPU."""
        return [way.is_of(gpu) for way in self._ways]

    def offers(self, way: int, arc: int) -> tuple[Offer, ...]:
        """The tables of an arc in one of the ways, made once."""
        if (way, arc) not in self._made:
            self._made[way, arc] = self._offered(way, arc)
        return self._made[way, arc]

    def _offered(self, way: int, arc: int) -> tuple[Offer, ...]:
        chosen, what = self._ways[way], self.served[arc]
        if chosen.pairs is None or chosen.decode is None:
            make = maker(self._case, chosen.profile)
            return (Offer(make(what, self._case.pool_rate(what))),)
        first = self._phases.prefill(chosen.profile, chosen.pairs, what)
        second = self._phases.decode(chosen.decode, chosen.pairs, what)
        name = chosen.pairs.name
        return Offer(first, "prefill", name), Offer(second, "decode", name)

    def floors_apart(self, use: Use, apart: PhaseFloors) -> list[Floats]:
        """A bound below what every arc uses, for each pair of profiles."""
        used = list[Floats]()
        for way in self._ways:
            if way.pairs is not None and way.decode is not None:
                first = apart.prefill(way.profile, way.pairs.path)
                second = apart.decode(way.decode)
                used.append(
                    self._least_of(use, apart, way.profile, "prefill", first)
                    + self._least_of(use, apart, way.decode, "decode", second)
                )
        return used

    def _least_of(
        self, use: Use, apart: PhaseFloors, profile: ReplicaProfile, phase: Phase, least: Floats
    ) -> Floats:
        """What pools of one phase with at least so many replicas use."""
        replicas = np.maximum(least, self._case.problem.min_replicas)
        capacity = self._case.capacity(profile, self._case.breakpoints[-1])
        each = use.of_replica(profile, capacity)
        if not use.per_kw:
            return each * replicas
        some = np.where(np.isfinite(replicas), replicas, 1.0)
        drawn = use.per_kw * apart.kilowatts(profile, phase, some)
        return np.where(np.isfinite(replicas), each * some + drawn, np.inf)
