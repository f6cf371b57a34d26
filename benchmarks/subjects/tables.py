"""Feasibility tables: all arcs of the default problem, and single pools that are very large."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure, Subject, Target
from benchmarks.timing import fastest_s
from fleetopt.case import Case
from fleetopt.optimization.design import pool_tables, table_maker
from fleetopt.problem import FleetProblem
from fleetopt.queueing.table import PoolTable

SLOTS = 10_000


def measure() -> Iterator[Figure]:
    """Tables with their least numbers of replicas, from the lengths on."""
    case = Case.of(FleetProblem())
    yield Figure("arcs of the default problem", len(list(case.arcs())), "")
    for grey in (False, True):
        name = f"tables of all arcs on 3 profiles{', with grey rows' if grey else ''}"
        seconds = fastest_s(lambda: least_replicas(case, grey), repeats=3)  # noqa: B023
        yield Figure(name, seconds, "s", None if grey else Target("at most", 0.3))
    fresh = iter([large_pool(case, SLOTS) for _ in range(5)])
    large_s = fastest_s(lambda: next(fresh).min_replicas(), repeats=5)
    name = f"min_replicas of a pool of {SLOTS:,} slots"
    yield Figure(name, 1000 * large_s, "ms", Target("at most", 1.0))


def least_replicas(case: Case, grey: bool) -> list[int | None]:
    """The least row of each table that is admissible, or that is grey."""
    return [table.min_replicas(grey) for table in pool_tables(case)]


def large_pool(case: Case, slots: int) -> PoolTable:
    """An H100 pool up to 4096 tokens, at a rate that takes about `slots` slots."""
    make = table_maker(case, case.profile("h100"))
    one = make(0, 4096, 100.0)
    return make(0, 4096, one.max_arrival_rate(1) * slots / one.slots)


SUBJECT = Subject("tables", "feasibility tables of lmsys at 100 req/s", measure)
