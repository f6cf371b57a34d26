"""Rows where all requests are held to the SLO together: each with what it misses.

In scope `fleet` a pool may miss more than the SLO allows if others miss less, so no row is
refused by itself. More replicas are worth a row as long as they lower the misses noticeably:
rows end where all further replicas together could save the fleet at most a hundredth of what
a bound allows it to miss, for every bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from fleetopt.optimization.candidates import STEP, Candidate, Row
from fleetopt.queueing.feasibility import GREY_MARGIN
from fleetopt.queueing.table import PoolTable

Built = tuple[PoolTable, int]
"""The table of a pool, and its replicas."""
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
        row = with_misses(table, Row(n), grey=grey)
        rows |= {} if row is None else {n: row}
        if row is not None and not is_worth_more(table, share, row, grey=grey):
            break
    alone = table.min_replicas(grey=grey)
    if alone is not None and alone > first and alone not in rows:
        row = with_misses(table, Row(alone), grey=grey)
        rows |= {} if row is None else {alone: row}
    return tuple(rows[n] for n in sorted(rows))


def with_misses(table: PoolTable, row: Row, *, grey: bool = False) -> Row | None:
    """A row with what it misses by the table; None if it is overloaded."""
    seen = table.row(row.replicas)
    if not seen.is_stable:
        return None
    return replace(row, misses=tuple(seen.miss(b, _stretch(grey)) for b in table.limits.slo))


def is_worth_more(table: PoolTable, share: float, row: Row, *, grey: bool = False) -> bool:
    """Whether more replicas than the row's could save a noticeable part of an allowance."""
    for bound, miss in zip(table.limits.slo, row.misses, strict=True):
        spare = miss - table.least_miss(bound, _stretch(grey))
        if share * spare > NEGLIGIBLE * bound.allowed_miss:
            return True
    return False


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


def with_row(candidate: Candidate, row: Row) -> Candidate:
    """The candidate with this row among its own, whose misses are yet to be measured."""
    if any(known.replicas == row.replicas for known in candidate.rows):
        return candidate
    rows = sorted((*candidate.rows, row), key=lambda known: known.replicas)
    return replace(candidate, rows=tuple(rows))


def attained(pools: Iterable[Built]) -> tuple[float, ...]:
    """Share of the requests of all pools within each bound of the SLO, by the tables."""
    built = list(pools)
    rate = sum(table.arrival_rate for table, _ in built)
    return tuple(
        1.0 - sum(table.arrival_rate / rate * table.row(n).miss(bound) for table, n in built)
        for bound in built[0][0].limits.slo
    )


def binding(pools: Sequence[Built], index: int) -> str:
    """Why one replica fewer in one of the pools would not do, in words and numbers."""
    table, replicas = pools[index]
    fewer, cap = replicas - 1, table.limits.max_utilization
    if fewer < 1:
        return "a pool has at least one replica"
    rho = table.row(fewer).utilization
    if rho > cap:
        return f"utilization cap: utilization {rho:.3g} > {cap:g} at {fewer}"
    shares = attained((*pools[:index], (table, fewer), *pools[index + 1 :]))
    for bound, share in zip(table.limits.slo, shares, strict=True):
        if share < 1.0 - bound.allowed_miss:
            return f"{bound.label}: {100 * share:.2f} % of all requests within it at {fewer}"
    return f"simulation: the table alone would accept {fewer}"


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


def _stretch(grey: bool) -> float:
    return 1.0 + GREY_MARGIN if grey else 1.0
