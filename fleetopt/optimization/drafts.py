"""Candidates that are not evaluated yet, each with one row that uses no more than any of its own.

The row has the least replicas that utilization allows, so a program of such candidates tells
which of them have to be evaluated; see `fleetopt.optimization.epsilon`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate, Row, busy_watts
from fleetopt.optimization.design import Design
from fleetopt.optimization.tables import Offer, PhaseTables, maker
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import Phase
from fleetopt.queueing.floor import RowFloors
from fleetopt.queueing.phase_floor import PhaseFloors
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Node, Served
from fleetopt.workload.lengths import Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """A profile in one phase or both, for every pool of a case.

    least: replicas of each pool, infinite where it cannot be built. drawn: kilowatts of these.
    """

    profile: ReplicaProfile
    phase: Phase | None
    link: str
    least: Floats
    drawn: Floats
    table: Callable[[Served], PoolTable]


class Drafts:
    """Every candidate that a design may have, evaluated one by one.

    design: made without tables; those that are evaluated are kept in it.
    """

    def __init__(self, design: Design) -> None:
        self._design, self._case = design, design.case
        self._pools = self._case.arcs()
        self._position: Mapping[Node, int] = {n: i for i, n in enumerate(self._case.nodes)}
        self._made: list[tuple[_Kind, Served]] = []
        self._offers: dict[int, Offer] = {}
        self.candidates = tuple(self._drafted())

    def evaluated(self, draft: Candidate) -> Candidate | None:
        """The candidate with the rows of its table; None if none of them is admissible."""
        found = self._design.candidates_of(self._offer(draft.index))
        return replace(found[0], index=draft.index) if found else None

    def table(self, candidate: Candidate) -> PoolTable:
        """The feasibility table behind a candidate, evaluated or not."""
        return self._offer(candidate.index).table

    def _offer(self, index: int) -> Offer:
        if index not in self._offers:
            kind, what = self._made[index]
            self._offers[index] = Offer(kind.table(what), kind.phase, kind.link)
        return self._offers[index]

    def _drafted(self) -> Iterator[Candidate]:
        for kind in self._kinds():
            possible = np.isfinite(kind.least)
            watts = {t: self._watts(kind, t) for t in self._case.breakpoints[1:]}
            for i in np.flatnonzero(possible).tolist():
                what = self._pools[i]
                if self._case.offers(kind.profile, what.hi_tokens):
                    row = self._row(kind, int(kind.least[i]), float(kind.drawn[i]))
                    self._made.append((kind, what))
                    yield self._candidate(kind, what, row, watts[what.hi_tokens])

    def _row(self, kind: _Kind, replicas: int, drawn_kw: float) -> Row:
        side = self._design.side
        gpus = kind.profile.gpus_per_replica
        row = Row.available(max(replicas, side.min_replicas), side.spares, gpus)
        return replace(row, drawn_kw=drawn_kw) if self._design.is_drawn else row

    def _watts(self, kind: _Kind, tokens: int) -> float | None:
        """Draw of a replica with every slot busy, were all sequences the longest."""
        capacity = self._case.capacity(kind.profile, tokens)
        return busy_watts(kind.profile, kind.phase, int(capacity.batch(tokens)))

    def _candidate(self, kind: _Kind, what: Served, row: Row, watts: float | None) -> Candidate:
        profile, (first, last) = kind.profile, what.nodes
        return Candidate(
            index=len(self._made) - 1,
            start=self._position[first],
            end=self._position[last],
            lo_tokens=what.lo_tokens,
            hi_tokens=what.hi_tokens,
            gpu=profile.gpu,
            profile=profile.name,
            admission=profile.admission or self._case.problem.admission,
            usd_per_hour=profile.usd_per_hour,
            gpus_per_replica=profile.gpus_per_replica,
            arrival_rate=self._case.pool_rate(what),
            rows=(row,),
            watts=watts,
            gamma_lo=what.gammas[0],
            gamma_hi=what.gammas[1],
            phase=kind.phase,
            link=kind.link,
        )

    def _kinds(self) -> Iterator[_Kind]:
        case = self._case
        if case.has_together:
            floors = RowFloors(case, self._pools)
            for profile in case.profiles:
                (least,) = floors.least([profile])
                make = partial(_at_its_rate, case, maker(case, profile))
                drawn = partial(floors.kilowatts, profile)
                yield self._kind(profile, None, "", least, drawn, make)
        apart, tables = PhaseFloors(case, self._pools), PhaseTables(case)
        for pairs in case.phase_pairs:
            for profile in map(case.profile, pairs.prefill):
                least = apart.prefill(profile, pairs.path)
                drawn = partial(apart.kilowatts, profile, "prefill")
                make_first = partial(tables.prefill, profile, pairs)
                yield self._kind(profile, "prefill", pairs.name, least, drawn, make_first)
            for profile in map(case.profile, pairs.decode):
                drawn = partial(apart.kilowatts, profile, "decode")
                make_second = partial(tables.decode, profile, pairs)
                least = apart.decode(profile)
                yield self._kind(profile, "decode", pairs.name, least, drawn, make_second)

    def _kind(
        self, profile: ReplicaProfile, phase: Phase | None, link: str, least: Floats,
        drawn: Callable[[Floats], Floats], table: Callable[[Served], PoolTable],
    ) -> _Kind:  # fmt: skip
        some = np.where(np.isfinite(least), least, 1.0)
        kilowatts = drawn(some) if self._design.is_drawn else np.zeros(least.size)
        return _Kind(profile, phase, link, least, kilowatts, table)


def _at_its_rate(case: Case, make: Callable[[Served, float], PoolTable], what: Served) -> PoolTable:
    return make(what, case.pool_rate(what))
