"""The feasibility tables of a case: one for every pool that it may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fleetopt.case import Case
from fleetopt.performance.profile import ReplicaProfile, calibrated
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.table import Limits, PoolTable
from fleetopt.workload.compression import Served

if TYPE_CHECKING:
    from fleetopt.queueing.published import PublishedTable


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
