"""Percentiles of the table against our own simulation; `pytest -s` shows the figures."""

from __future__ import annotations

from statistics import median

import pytest
from accuracy import DESIGN_ROWS, ORDINARY, SLOW, Comparison, compare, drawn, markdown

from fleetopt.simulation.statistics import MeanInterval

MEDIAN, WORST, DESIGN = 0.02, 0.06, 0.03
EARLIER_TTFT_MS = (
    (88.1, 1.6),
    (335.5, 5.6),
    (659.4, 6.3),
    (308.6, 6.4),
    (279.5, 3.7),
    (26.0, 0.1),
    (391.8, 4.5),
    (80.1, 0.6),
)
"""P99 TTFT of DESIGN_ROWS in an earlier, separate simulator, with 95 % half widths."""


def width(value: MeanInterval) -> float:
    """Relative half width."""
    return (value.high - value.estimate) / value.estimate


def errors(rows: list[Comparison]) -> list[float]:
    """Absolute relative errors of both percentiles of all pools."""
    return [abs(e) for row in rows for e in (row.ttft_error, row.tpot_error)]


@pytest.fixture(scope="module")
def design_rows() -> list[Comparison]:
    """The eight pools that the method was developed on."""
    return compare(DESIGN_ROWS)


def test_design_rows_within_three_percent(design_rows: list[Comparison]) -> None:
    """P99 TTFT and TPOT within 3 %, or inside the simulation's interval."""
    print("\n" + markdown(design_rows))
    for row in design_rows:
        pairs = (
            (row.ttft_ms, row.ttft_simulated_ms, row.ttft_error),
            (row.tpot_ms, row.tpot_simulated_ms, row.tpot_error),
        )
        for table_ms, simulated, error in pairs:
            assert abs(error) <= DESIGN or simulated.low <= table_ms <= simulated.high, row.pool


def test_simulator_agrees_with_an_earlier_one(design_rows: list[Comparison]) -> None:
    """The 95 % intervals of both simulators overlap on all eight pools."""
    for row, (estimate, half) in zip(design_rows, EARLIER_TTFT_MS, strict=True):
        ours = row.ttft_simulated_ms
        assert abs(ours.estimate - estimate) <= ours.high - ours.estimate + half, row.pool


def test_ordinary_pools_within_six_percent() -> None:
    """Twenty pools: median error at most 2 %, worst 6 %, intervals well below that."""
    rows = compare(ORDINARY)
    print("\n" + markdown(rows))
    assert len(rows) == 20
    assert {row.pool.admission for row in rows} == {"reserved", "paged"}
    assert {row.pool.workload for row in rows} == {"azure", "lmsys", "agent_heavy"}
    for row in rows:
        assert 0.3 <= row.utilization <= 0.85
        assert width(row.ttft_simulated_ms) <= 0.03, row.pool
        assert width(row.tpot_simulated_ms) <= 0.03, row.pool
    assert median(errors(rows)) <= MEDIAN
    assert max(errors(rows)) <= WORST


def test_slow_environments_within_a_factor_of_two() -> None:
    """Pools that rare long requests block: P99 TTFT within a factor of two, and marked."""
    rows = compare(SLOW)
    print("\n" + markdown(rows))
    for row in rows:
        assert row.method == "two-class chain"
        assert 0.5 <= row.ttft_ms / row.ttft_simulated_ms.estimate <= 2.0, row.pool


@pytest.mark.slow
def test_pools_drawn_at_random_within_six_percent() -> None:
    """Pools that nobody chose: the same bounds, wherever the row is not marked."""
    rows = compare(drawn(24, seed=20261122))
    print("\n" + markdown(rows))
    ordinary = [row for row in rows if row.method == "occupancy"]
    assert len(ordinary) >= 20
    assert median(errors(ordinary)) <= MEDIAN
    assert max(errors(ordinary)) <= WORST
