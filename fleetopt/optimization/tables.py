"""The feasibility tables of a case: one for every pool that it may have."""

from __future__ import annotations

from collections.abc import Callable

from fleetopt.case import Case
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.published import PublishedLoadTable, PublishedTable
from fleetopt.queueing.table import Limits, PoolTable


def pool_tables(case: Case) -> list[PoolTable]:
    """The feasibility tables of every range of lengths on every profile with room for it."""
    tables: list[PoolTable] = []
    for profile in case.profiles:
        make = table_maker(case, profile)
        for lo, hi in case.arcs():
            if case.capacity(profile, hi).slots >= 1:
                tables.append(make(lo, hi, case.pool_rate(lo, hi)))
    return tables


def table_maker(
    case: Case, profile: CalibratedProfile
) -> Callable[[int, int, float], OccupancyTable | PublishedTable]:
    """A function of (lo, hi, arrival rate) that gives pool tables by the case's method."""
    limits = Limits(case.problem.slo, case.problem.max_utilization)
    if case.problem.method == "published":
        published = PublishedLoadTable(case.lengths, profile.iteration)
        return lambda lo, hi, rate: PublishedTable(
            published.between(lo, hi, rate), profile, case.capacity(profile, hi), lo, limits
        )
    loads = load_table(case.lengths, profile.iteration)
    return lambda lo, hi, rate: OccupancyTable(
        loads.between(lo, hi, rate), profile, case.capacity(profile, hi), lo, limits
    )
