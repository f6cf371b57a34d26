"""From tables to candidates: which rows, how many, and at what effort."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from fleetopt.catalog import read_profiles
from fleetopt.optimization.candidates import enumerate_candidates
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.queueing.availability import SpareRule

PROFILE = CalibratedProfile(read_profiles()["h100"])


@dataclass(frozen=True)
class FluidRow:
    """One number of replicas of a fluid pool: latency is work per replica."""

    utilization: float
    latency_s: float

    def percentile_s(self, metric: str, percentile: float) -> float:
        """Every percentile is the same."""
        return self.latency_s


@dataclass(frozen=True)
class FluidTable:
    """A pool where n replicas answer in work_s / n seconds; 10 % above the limit is grey."""

    lo_tokens: int
    hi_tokens: int
    work_s: float
    limit_s: float = 1.0
    floor_s: float = 0.0
    profile: CalibratedProfile = PROFILE
    admission: str = "paged"
    gammas: tuple[float, float] = (1.0, 1.0)
    slots: int = 16
    arrival_rate: float = 7.0
    evaluations: list[int] = field(default_factory=list)

    def min_replicas(self, grey: bool = False) -> int | None:
        """The least n whose latency is within the limit, a tenth above it if grey."""
        limit = self.limit_s * (1.1 if grey else 1.0)
        return max(1, math.ceil(self.work_s / limit)) if self.floor_s <= limit else None

    def row(self, n: int) -> FluidRow:
        """A row; every evaluation is recorded."""
        self.evaluations.append(n)
        return FluidRow(0.5 / n, max(self.floor_s, self.work_s / n))


def rows_of(table: FluidTable, **options: int | bool) -> list[tuple[int, bool]]:
    """Replicas and greyness of the only candidate of a table."""
    (candidate,) = enumerate_candidates([table], (0, 1024), **options)
    return [(row.replicas, row.grey) for row in candidate.rows]


def test_candidate_says_what_the_table_says() -> None:
    """Arc, profile, price and rate; no row is evaluated."""
    tables = [FluidTable(0, 1024, 3.0), FluidTable(1024, 4096, 5.0)]
    first, second = enumerate_candidates(tables, (0, 1024, 4096))
    assert (first.index, first.start, first.end) == (0, 0, 1)
    assert (second.index, second.start, second.end) == (1, 1, 2)
    assert (second.lo_tokens, second.hi_tokens) == (1024, 4096)
    assert (second.profile, second.gpu, second.admission) == (PROFILE.name, PROFILE.gpu, "paged")
    assert PROFILE.power is not None
    assert first.watts == PROFILE.power.watts(16) * PROFILE.gpus_per_replica
    assert first.kilowatts(first.rows[0]) == pytest.approx(3 * first.watts / 1000)
    assert second.usd_per_hour == PROFILE.usd_per_hour
    assert second.gpus_per_replica == PROFILE.gpus_per_replica
    assert second.arrival_rate == 7.0
    assert not tables[0].evaluations
    assert not tables[1].evaluations


def test_rows_from_the_least_number_to_eight_more() -> None:
    """Without verification no row is grey."""
    assert rows_of(FluidTable(0, 1024, 5.0)) == [(n, False) for n in range(5, 14)]
    assert rows_of(FluidTable(0, 1024, 5.0), extra_rows=1) == [(5, False), (6, False)]


def test_grey_rows_come_before_the_proven_ones() -> None:
    """With 22 s of work, 22 replicas are proven; 20 and 21 are within ten per cent."""
    rows = rows_of(FluidTable(0, 1024, 22.0), grey=True, extra_rows=2)
    assert rows == [(20, True), (21, True), (22, False), (23, False), (24, False)]


def test_rows_below_the_least_replicas_are_left_out() -> None:
    """Asked for 21 of 20 to 22, or for 30: no row below, and the proven ones stay proven."""
    table = FluidTable(0, 1024, 22.0)
    rows = rows_of(table, grey=True, extra_rows=1, min_replicas=21)
    assert rows == [(21, True), (22, False), (23, False)]
    assert rows_of(table, grey=True, extra_rows=1, min_replicas=30) == [(30, False), (31, False)]
    assert rows_of(table, extra_rows=1, min_replicas=5) == [(22, False), (23, False)]


def test_rows_have_the_spare_replicas_that_an_availability_asks_for() -> None:
    """Of 4, 5, 6 replicas 80 % are up on average: 5, 7 and 8 are bought, paid for and powered."""
    (candidate,) = enumerate_candidates(
        [FluidTable(0, 1024, 4.0)], (0, 1024), extra_rows=2, spares=SpareRule(0.8, "mean")
    )
    rows = candidate.rows
    assert [(row.replicas, row.spare, row.bought) for row in rows] == [
        (4, 1, 5),
        (5, 2, 7),
        (6, 2, 8),
    ]
    assert candidate.watts is not None
    for row in rows:
        assert candidate.cost(row) == pytest.approx(row.bought * PROFILE.usd_per_hour)
        assert candidate.gpus(row) == row.bought * PROFILE.gpus_per_replica
        assert candidate.kilowatts(row) == pytest.approx(row.bought * candidate.watts / 1000)


def test_many_grey_rows_are_spread() -> None:
    """A large pool has hundreds of grey rows; as many as other rows are offered, evenly."""
    rows = rows_of(FluidTable(0, 1024, 11_000.0), grey=True)
    doubted = [n for n, grey in rows if grey]
    assert doubted[0] == 10_000
    assert len(doubted) <= 9
    assert {b - a for a, b in pairwise(doubted)} == {112}
    sure = [n for n, grey in rows if not grey]
    assert sure[0] == 11_000
    assert len(sure) == 9
    steps = [after / before for before, after in pairwise(sure)]
    assert all(1.01 <= step <= 1.0101 for step in steps)  # 1 % a step, rounded up


def test_only_grey_rows() -> None:
    """Prefill alone takes the time to within ten per cent: simulation must decide."""
    table = FluidTable(0, 1024, 4.0, floor_s=1.05)
    assert enumerate_candidates([table], (0, 1024)) == ()
    assert rows_of(table, grey=True) == [(n, True) for n in range(4, 13)]


def test_table_without_a_row_makes_no_candidate() -> None:
    """Indices stay consecutive."""
    tables = [FluidTable(0, 1024, 3.0, floor_s=2.0), FluidTable(0, 1024, 3.0)]
    assert [c.index for c in enumerate_candidates(tables, (0, 1024))] == [0]
