"""`tabulate`: rows of the feasibility table of one pool, for the `table` command."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.optimization.design import table_maker
from fleetopt.problem import FleetProblem
from fleetopt.queueing.table import PoolTable, Row

_BEYOND = 3
"""Rows shown above the least admissible number of replicas."""
_MOST = 16


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a pool's feasibility table.

    miss_probability: P(latency > limit) of the bound that is missed most, beside what it allows.
    max_arrival_rate: requests per second that this many replicas carry within every limit.
    """

    replicas: int
    utilization: float
    p99_ttft_ms: float | None
    p99_tpot_ms: float | None
    p99_e2e_ms: float | None
    miss_probability: float
    max_arrival_rate: float
    method: str
    admissible: bool


def tabulate(
    problem: FleetProblem, *, lo: int, hi: int, replicas: int | None = None
) -> tuple[TableRow, ...]:
    """Rows of the pool for total lengths in (lo, hi] on the problem's one profile.

    The problem's arrival rate is the pool's own. Without `replicas`, from the least number
    that can do the work to some above the least admissible. Raises InputError.
    """
    case = Case.of(problem)
    if not 0 <= lo < hi:
        raise InputError.single("lo, hi", f"expected 0 <= lo < hi, got {lo} and {hi}")
    if not case.lengths.share(lo, hi) > 0:
        raise InputError.single("lo, hi", f"no requests have a total length in ({lo}, {hi}]")
    case = replace(case, lengths=case.lengths.split_at((lo, hi)))
    profile = case.profiles[0]
    if case.capacity(profile, hi).slots < 1:
        raise InputError.single("hi", f"no replica of {profile.name} holds {hi:,} tokens")
    table = table_maker(case, profile)(lo, hi, case.arrival_rate)
    numbers = [replicas] if replicas is not None else _numbers(table)
    return tuple(_row(table, n) for n in numbers)


def _numbers(table: PoolTable) -> list[int]:
    """The rows worth showing, thinned out if they are many."""
    first = int(table.row(1).utilization) + 1  # utilization falls as 1 / n
    last = (table.min_replicas() or first) + _BEYOND
    step = max(1, (last - first) // _MOST)
    return sorted({*range(first, last - _BEYOND, step), *range(last - _BEYOND, last + 1)})


def _row(table: PoolTable, replicas: int) -> TableRow:
    row = table.row(replicas)
    return TableRow(
        replicas=replicas,
        utilization=row.utilization,
        p99_ttft_ms=_finite_ms(row.percentile_s("ttft", 99.0)),
        p99_tpot_ms=_finite_ms(row.percentile_s("tpot", 99.0)),
        p99_e2e_ms=_finite_ms(row.percentile_s("e2e", 99.0)),
        miss_probability=_worst_miss(table, row),
        max_arrival_rate=table.max_arrival_rate(replicas),
        method=row.method,
        admissible=table.is_admissible(replicas),
    )


def _worst_miss(table: PoolTable, row: Row) -> float:
    misses = [(row.miss(bound), bound.allowed_miss) for bound in table.limits.slo]
    return max(misses, key=lambda pair: pair[0] / pair[1])[0]


def _finite_ms(seconds: float | None) -> float | None:
    if seconds is None or seconds == float("inf"):
        return None
    return 1000.0 * seconds
