"""Rows of scope fleet: where they begin and end, and what the simulator changes in them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fleetopt.case import Case
from fleetopt.optimization.attainment import (
    MOST_ROWS,
    NEGLIGIBLE,
    attained,
    binding,
    fleet_rows,
    measured,
    with_misses,
)
from fleetopt.optimization.candidates import Row
from fleetopt.optimization.design import Design, pool_tables
from fleetopt.problem import FleetProblem
from fleetopt.queueing.table import PoolTable


def case_of(**keys: Any) -> Case:
    return Case.of(FleetProblem.model_validate({"slo_scope": "fleet", **keys}))


SOME = case_of(slo=["p99 ttft 500", "p50 ttft 150", "p95 tpot 40"], gpus=["a10g", "h100"])
TABLES = random.Random(3).sample(pool_tables(SOME), 40)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.lo_tokens}-{t.hi_tokens}")
def test_rows_run_from_the_utilization_cap_to_where_misses_stay(table: PoolTable) -> None:
    """No row fewer is within the cap; none beyond the last saves a noticeable share."""
    share = table.arrival_rate / SOME.arrival_rate
    rows = fleet_rows(table, share)
    numbers = [row.replicas for row in rows]
    least = numbers[0]
    assert numbers == sorted(set(numbers))
    assert len(rows) <= MOST_ROWS + 1
    cap = table.limits.max_utilization
    assert table.row(least).utilization <= cap
    assert (
        least == 1
        or table.row(least - 1).utilization > cap
        or not with_misses(table, Row(least - 1))
    )
    if len(rows) < MOST_ROWS:
        beyond = with_misses(table, Row(2 * numbers[-1] + 8))
        assert beyond is not None
        pairs = zip(rows[-1].misses, beyond.misses, table.limits.slo, strict=True)
        for miss, later, bound in pairs:
            assert share * (miss - later) <= 1.001 * NEGLIGIBLE * bound.allowed_miss
    for row in rows:
        assert row.misses == tuple(table.row(row.replicas).miss(b) for b in table.limits.slo)
    alone = table.min_replicas()
    assert alone is None or alone in numbers


@pytest.mark.parametrize(
    "keys", [{"gpus": ["h100"]}, {"max_pools": 1}, {"min_replicas": 3}, {"node_size": 4}]
)
@pytest.mark.parametrize("grey", [False, True])
def test_scope_fleet_never_costs_more(keys: dict[str, Any], grey: bool) -> None:
    """By the tables, on a bundled workload."""
    stated = {"cdf": "azure", **keys}
    together = Design(case_of(**stated), grey=grey).optimum()
    apart = Design(case_of(**{**stated, "slo_scope": "pool"}), grey=grey).optimum()
    assert together.usd_per_hour <= apart.usd_per_hour * (1.0 + 1e-9)


def test_measured_misses_are_those_of_fewer_replicas_too() -> None:
    """At least that many; more replicas keep what the table says."""
    design = Design(case_of(), grey=False)
    candidate = max(design.candidates, key=lambda c: len(c.rows))
    row = candidate.rows[2]
    changed = measured(candidate, row.replicas, (0.5,))
    for before, after in zip(candidate.rows, changed.rows, strict=True):
        if before.replicas == row.replicas:
            assert after.misses == (0.5,)
        elif before.replicas < row.replicas:
            assert after.misses == (max(0.5, before.misses[0]),)
        else:
            assert after == before


def test_a_fleet_that_misses_more_than_the_table_said_is_not_chosen_again() -> None:
    """Nor one that is taken out with its smaller ones; both stay out of later solves."""
    design = Design(case_of(), grey=False)
    first = design.optimum()
    worst, row = first.chosen[0]
    design.measure([(worst, row.replicas, (0.5,))])
    second = design.optimum()
    assert second.usd_per_hour > first.usd_per_hour
    assert not any(c.index == worst.index and r.replicas <= row.replicas for c, r in second.chosen)
    design.exclude(second.chosen)
    third = design.optimum()
    assert third.usd_per_hour >= second.usd_per_hour
    design.measure([(worst, row.replicas, (0.6,))])
    again = design.optimum()
    assert again.usd_per_hour == pytest.approx(third.usd_per_hour)
    taken = {c.index: r.replicas for c, r in second.chosen}
    for solution in (third, again):
        fewer = [r.replicas <= taken.get(c.index, 0) for c, r in solution.chosen]
        assert len(fewer) != len(taken) or not all(fewer)


def test_a_last_row_that_disappoints_gets_more_above_it() -> None:
    """As many replicas as simulation asks for."""
    design = Design(case_of(), grey=False)
    candidate, _ = design.optimum().chosen[0]
    last = candidate.rows[-1].replicas
    design.measure([(candidate, last, (0.5,))])
    assert design.candidates[candidate.index].rows[-1].replicas > last
    hopeless = next(c for c in design.candidates if c.rows[-1].misses[0] == pytest.approx(1.0))
    replicas = hopeless.rows[-1].replicas
    design.measure([(hopeless, replicas, (1.0,))])
    assert design.candidates[hopeless.index].rows[-1].replicas == replicas


def test_what_binds_is_the_cap_or_the_share_of_all_requests() -> None:
    """The share with one replica fewer is below what the bound asks for."""
    design = Design(case_of(cdf="agent_heavy", arrival_rate=20.0), grey=False)
    chosen = design.optimum().chosen
    pools = [(design.table(c), row.replicas) for c, row in chosen]
    (share,) = attained(pools)
    assert share >= 0.99
    rate = sum(table.arrival_rate for table, _ in pools)
    bound = SOME.problem.slo[0]
    missed = sum(table.arrival_rate * table.row(n).miss(bound) for table, n in pools)
    assert share == pytest.approx(1.0 - missed / rate)
    for i, (table, n) in enumerate(pools):
        said = binding(pools, i)
        if n > 1 and table.row(n - 1).utilization > 0.85:
            assert said.startswith("utilization cap")
        elif n > 1:
            assert "% of all requests within it" in said
