"""The feasibility tables of a case: one for every pool that it may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetopt.case import Case
from fleetopt.performance.profile import ReplicaProfile, calibrated
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.table import Limits, PoolTable
from fleetopt.workload.compression import Served

if TYPE_CHECKING:
    from fleetopt.performance.phase_links import PhasePairs
    from fleetopt.problem import Phase
    from fleetopt.queueing.e2e_budget import E2eBudget
    from fleetopt.queueing.phases import DecodePhaseTable, PrefillPhaseTable
    from fleetopt.queueing.published import PublishedTable


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A table, and what its pool does in the program.

    phase: None for both. link: name of the pairs of profiles that it belongs to, if it is one.
    """

    table: PoolTable
    phase: Phase | None = None
    link: str = ""


def offers(case: Case) -> list[Offer]:
    """The tables of every pool that a case may have, of both phases or of one."""
    whole = [Offer(table) for table in pool_tables(case)] if case.has_together else []
    return [*whole, *phase_offers(case)]


def phase_offers(case: Case) -> list[Offer]:
    """The tables of pools of one phase, those of each link beside each other."""
    made, found = PhaseTables(case), list[Offer]()
    for pairs in case.phase_pairs:
        for name in pairs.prefill:
            profile = case.profile(name)
            arcs = arcs_on(case, profile)
            found += [Offer(made.prefill(profile, pairs, w), "prefill", pairs.name) for w in arcs]
        for name in pairs.decode:
            profile = case.profile(name)
            arcs = arcs_on(case, profile)
            found += [Offer(made.decode(profile, pairs, w), "decode", pairs.name) for w in arcs]
    return found


class PhaseTables:
    """The tables of pools of one phase, each made once."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._limits = Limits(case.problem.slo, case.problem.max_utilization)
        self._prefill: dict[tuple[str, str, Served], PrefillPhaseTable] = {}
        self._decode: dict[tuple[str, float | None, Served], DecodePhaseTable] = {}

    def prefill(
        self, profile: ReplicaProfile, pairs: PhasePairs, what: Served
    ) -> PrefillPhaseTable:
        """Of a pool that prefills before a link."""
        from fleetopt.queueing.phases import PrefillPhaseTable

        key = (profile.name, pairs.name, what)
        if key not in self._prefill:
            case = self._case
            load = load_table(case.lengths, profile.iteration, "prefill")
            self._prefill[key] = PrefillPhaseTable(
                load.serving(what, case.pool_rate(what)),
                profile,
                case.prefill_capacity(profile, what.hi_tokens),
                what.lo_tokens,
                self._limits,
                pairs.path,
                what.gammas,
                budget_of(pairs),
            )
        return self._prefill[key]

    def decode(self, profile: ReplicaProfile, pairs: PhasePairs, what: Served) -> DecodePhaseTable:
        """Of a pool that decodes; the same behind every link of the same share of E2E."""
        from fleetopt.queueing.phases import DecodePhaseTable

        key = (profile.name, pairs.ttft_share, what)
        if key not in self._decode:
            case = self._case
            load = load_table(case.lengths, profile.iteration, "decode")
            self._decode[key] = DecodePhaseTable(
                load.serving(what, case.pool_rate(what)),
                profile,
                case.capacity(profile, what.hi_tokens),
                what.lo_tokens,
                self._limits,
                what.gammas,
                budget_of(pairs),
            )
        return self._decode[key]


def budget_of(pairs: PhasePairs) -> E2eBudget | None:
    """How pairs divide the bounds on E2E; None where there are none."""
    from fleetopt.queueing.e2e_budget import E2eBudget

    return None if pairs.ttft_share is None else E2eBudget(pairs.ttft_share)


def pool_tables(case: Case) -> list[PoolTable]:
    """The feasibility tables of everything that a pool may serve on a profile with room for it."""
    tables: list[PoolTable] = []
    for profile in case.profiles:
        make = maker(case, profile)
        tables += [make(what, case.pool_rate(what)) for what in arcs_on(case, profile)]
    return tables


def arcs_on(case: Case, profile: ReplicaProfile) -> list[Served]:
    """What pools of a profile may serve: where a slot has room, and requests come."""
    room = {t for t in case.breakpoints[1:] if case.offers(profile, t)}
    pools = [w for w in case.arcs() if w.hi_tokens in room]
    if case.problem.method == "published":  # it counts own lengths above the compressed ones only
        pools = [w for w in pools if case.lengths.share(w.gives_up_to, w.hi_tokens) > 0]
    return pools


def table_maker(
    case: Case, profile: ReplicaProfile
) -> Callable[[int, int, float], OccupancyTable | PublishedTable]:
    """A function of (lo, hi, arrival rate) that gives pool tables by the case's method."""
    make = maker(case, profile)
    return lambda lo, hi, rate: make(Served(lo, hi), rate)


def maker(
    case: Case, profile: ReplicaProfile
) -> Callable[[Served, float], OccupancyTable | PublishedTable]:
    """A function of what a pool serves and its arrival rate that gives its table."""
    if case.problem.method == "published":
        return _published_maker(case, profile)
    limits = Limits(case.problem.slo, case.problem.max_utilization)
    kind = kind_on(profile)

    def table(what: Served, rate: float) -> OccupancyTable:
        load = load_table(case.lengths, profile.iteration).serving(what, rate)
        capacity = case.capacity(profile, what.hi_tokens)
        return kind(load, profile, capacity, what.lo_tokens, limits, what.gammas)

    return table


def kind_on(profile: ReplicaProfile) -> type[OccupancyTable]:
    """The table that suits a profile: prompts take time where contexts count as they grow."""
    if profile.iteration.context != "current":
        return OccupancyTable
    from fleetopt.queueing.prefill_table import PrefillTable

    return PrefillTable


def _published_maker(
    case: Case, profile: ReplicaProfile
) -> Callable[[Served, float], PublishedTable]:
    from fleetopt.queueing.published import PublishedLoadTable, PublishedTable

    limits = Limits(case.problem.slo, case.problem.max_utilization)
    replica = calibrated(profile)
    published = PublishedLoadTable(case.lengths, profile.iteration)

    def table(what: Served, rate: float) -> PublishedTable:
        load = published.serving(what, rate)
        capacity = case.capacity(profile, what.hi_tokens)
        return PublishedTable(load, replica, capacity, what.lo_tokens, limits, what.gammas)

    return table
