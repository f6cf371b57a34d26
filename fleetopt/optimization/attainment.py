"""Rows where all requests are held to the SLO together: each with what it misses.

In scope `fleet` a pool may miss more than the SLO allows if others miss less, so no row is
refused by itself. More replicas are worth a row as long as they lower the misses noticeably:
rows end where all further replicas together could save the fleet at most a hundredth of what
a bound allows it to miss, for every bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from fleetopt.optimization.candidates import STEP, Candidate, Row
from fleetopt.queueing.feasibility import GREY_MARGIN
from fleetopt.queueing.table import PoolTable

NEGLIGIBLE = 0.01
"""Part of the allowed misses that more replicas of a pool must save to be worth a row."""
MOST_ROWS = 12
"""Most rows of a candidate; from the fifth on they stand further and further apart."""
_SPREAD = 1.3
"""Ratio of the distances of successive rows from the first."""


def fleet_rows(
    table: PoolTable, share: float, *, grey: bool = False, min_replicas: int = 1
) -> tuple[Row, ...]:
    """Rows from the least replicas within the utilization cap to where misses stay as they are.

    share: of all requests, that the pool serves.
    grey: only what is a tenth beyond a bound counts as missed, as simulation has the last word.
    The least row that keeps the SLO by itself is among them, so that every least fleet of
    scope `pool` is there too. Overloaded rows are not offered.
    """
    first = max(min_replicas, _least_by_utilization(table))
    rows: dict[int, Row] = {}
    for n in _numbers(first):
        row = fleet_row(table, n, grey=grey)
        rows |= {} if row is None else {n: row}
        if row is not None and not _is_worth_more(table, share, row, grey):
            break
    alone = table.min_replicas(grey=grey)
    if alone is not None and alone > first and alone not in rows:
        row = fleet_row(table, alone, grey=grey)
        rows |= {} if row is None else {alone: row}
    return tuple(rows[n] for n in sorted(rows))


def fleet_row(table: PoolTable, replicas: int, *, grey: bool = False) -> Row | None:
    """One row with what it misses; None if it is overloaded."""
    seen = table.row(replicas)
    if not seen.is_stable:
        return None
    return Row(replicas, misses=tuple(seen.miss(b, _stretch(grey)) for b in table.limits.slo))


def measured(candidate: Candidate, replicas: int, misses: tuple[float, ...]) -> Candidate:
    """The candidate with what a simulation of one row measured.

    A pool with fewer replicas misses at least that much.
    """
    rows = []
    for row in candidate.rows:
        if row.replicas == replicas:
            row = replace(row, misses=misses)
        elif row.replicas < replicas:
            more = (max(pair) for pair in zip(row.misses, misses, strict=True))
            row = replace(row, misses=tuple(more))
        rows.append(row)
    return replace(candidate, rows=tuple(rows))


def _least_by_utilization(table: PoolTable) -> int:
    """The least replicas within the utilization cap; utilization falls as 1 / n."""
    least = table.row(1).utilization / table.limits.max_utilization
    return max(1, math.ceil(least * (1.0 - 1e-12)))


def _numbers(first: int) -> Iterator[int]:
    """At most MOST_ROWS numbers of replicas, the first ones each by one or by 1 % apart."""
    n = first
    for _ in range(MOST_ROWS):
        yield n
        n = max(n + 1, math.ceil(n * (1.0 + STEP)), first + int(_SPREAD * (n - first)))


def _is_worth_more(table: PoolTable, share: float, row: Row, grey: bool) -> bool:
    """Whether more replicas than the row's could save a noticeable part of an allowance."""
    for bound, miss in zip(table.limits.slo, row.misses, strict=True):
        spare = miss - table.least_miss(bound, _stretch(grey))
        if share * spare > NEGLIGIBLE * bound.allowed_miss:
            return True
    return False


def _stretch(grey: bool) -> float:
    return 1.0 + GREY_MARGIN if grey else 1.0
