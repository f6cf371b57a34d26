"""Where to split: rows against the program and the published table, and the recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.questions.two_pools import Thresholds, TwoPools, thresholds
from fleetopt.queueing import feasibility
from fleetopt.queueing.environment import Pool
from fleetopt.queueing.latency import StateMix
from fleetopt.study import solve_program

PROFILES = read_profiles()


def asked(cdf: str, lam: float, context: int, gpus: str = "a100 a100", **keys: object) -> TwoPools:
    short, long = (PROFILES[name] for name in gpus.split())
    return replace(TwoPools(read_lengths(cdf)[0], lam, short, long, 500.0, context), **keys)


CASES = [
    ("azure", 30.0, 8192, "a100 a100"),
    ("azure", 50.0, 8192, "a10g h100"),
    ("lmsys", 40.0, 65536, "h100 h100"),
]


@pytest.mark.parametrize("case", CASES)
def test_the_cheapest_split_is_the_optimum_of_the_programs(case: tuple) -> None:
    """One program for every split, each pool held to its GPU: nothing is cheaper than the best."""
    question = asked(*case)
    found = thresholds(question)
    kept = [row for row in found.rows if row.split.meets]
    cheapest = min(kept, key=lambda row: row.split.usd_per_hour)
    hourly = {}
    for row in kept:
        plan = solve_program(question.program(row.split.b_short))
        assert tuple(pool.bought for pool in plan.fleet.pools) == (
            row.split.n_short,
            row.split.n_long,
        )
        hourly[row.split.b_short] = plan.cost.usd_per_hour
    assert min(hourly.values()) == pytest.approx(cheapest.split.usd_per_hour)
    best = found.recommended
    assert best is not None
    assert best.split.usd_per_hour == pytest.approx(
        min(cheapest.split.usd_per_hour, found.one_pool.split.usd_per_hour)
    )


def published_rows(name: str) -> list[dict]:
    """Figures of the published table, in the project's words: b_short, n_short, n_long, P99s."""
    return {
        "lmsys": [
            {"b_short": 512, "alpha": 0.638, "n": (2, 13), "p99": (9, 25)},
            {"b_short": 1024, "alpha": 0.831, "n": (2, 10), "p99": (10, 36)},
            {"b_short": 2048, "alpha": 0.948, "n": (2, 7), "p99": (12, 63)},
            {"b_short": 4096, "alpha": 0.984, "n": (3, 5), "p99": (13, 108)},
            {"b_short": 8192, "alpha": 0.997, "n": (4, 4), "p99": (14, 212)},
            {"b_short": 12288, "alpha": 0.999, "n": (5, 3), "p99": (14, 319)},
        ]
    }[name]


def test_the_published_table_of_lmsys() -> None:
    """Counts within one GPU and percentiles within 4 %: theirs come from 3000 drawn lengths."""
    found = thresholds(asked("lmsys", 100.0, 65536, method="published"))
    rows = {row.split.b_short: row for row in found.rows}
    assert abs(found.one_pool.split.gpus - 14) <= 1
    for said in published_rows("lmsys"):
        row = rows[said["b_short"]]
        assert row.alpha == pytest.approx(said["alpha"], abs=6e-4)
        for ours, theirs in zip((row.split.n_short, row.split.n_long), said["n"], strict=True):
            assert abs(ours - theirs) <= 1
        figures = (row.split.p99_short_ms, row.split.p99_long_ms)
        assert figures == pytest.approx(said["p99"], rel=0.04, abs=0.5)
        assert row.split.meets


def test_the_published_savings_of_azure_and_of_agents() -> None:
    """One pool of 24 and of 480 A100; 5 % more agents by exact sums, as all their rows."""
    azure = thresholds(asked("azure", 200.0, 8192, method="published"))
    assert abs(azure.one_pool.split.gpus - 24) <= 1
    (row,) = [row for row in azure.rows if row.split.b_short == 3072]
    assert row.split.p99_short_ms == pytest.approx(19, abs=0.5)
    assert 0.0 < row.saving_pct < 10.0

    agent = thresholds(asked("agent_heavy", 200.0, 65536, method="published"))
    assert agent.one_pool.split.gpus == pytest.approx(480, rel=0.06)
    rows = {row.split.b_short: row for row in agent.rows}
    assert rows[16384].split.gpus == pytest.approx(416, rel=0.06)
    assert rows[16384].split.meets
    assert not rows[32768].split.meets
    assert rows[32768].split.p99_long_ms == pytest.approx(593, rel=0.01)


def test_marks_and_recommendation_follow_from_the_rows() -> None:
    found = thresholds(asked("azure", 60.0, 8192))
    for row in found.rows:
        beaten = any(
            other.split.usd_per_hour < row.split.usd_per_hour
            and other.split.worst_p99_ms < row.split.worst_p99_ms
            for other in found.rows
        )
        assert row.pareto is not beaten
        assert row.saving_pct == pytest.approx(
            100 * (1 - row.split.usd_per_hour / found.one_pool.split.usd_per_hour)
        )
    best = found.recommended
    assert best is not None
    places = [row.split.b_short for row in found.rows]
    if best is not found.one_pool:
        at = places.index(best.split.b_short)
        expected = [places[i] for i in (at - 1, at + 1) if 0 <= i < len(places)]
        assert [row.split.b_short for row in found.neighbours] == expected


def test_one_pool_is_recommended_where_two_save_nothing() -> None:
    """At a low rate each pool needs a GPU of its own."""
    found = thresholds(asked("azure", 1.0, 8192))
    assert found.one_pool.split.gpus == 1
    assert found.recommended is found.one_pool
    assert found.neighbours == ()


def test_nothing_is_recommended_where_nothing_keeps_the_slo() -> None:
    found = thresholds(asked("azure", 20.0, 8192, t_slo_ms=20.0))
    assert found.recommended is None


def test_the_users_own_split_need_not_be_a_point() -> None:
    question = asked("azure", 60.0, 8192)
    inside, between = thresholds(question, own=3072), thresholds(question, own=3000)
    assert inside.own in inside.rows
    assert between.own is not None
    assert between.own.split.b_short == 3000
    shares = {row.split.b_short: row.alpha for row in between.rows}
    assert shares[2048] < between.own.alpha < shares[3072]


def test_simulation_refuses_what_the_published_table_recommends() -> None:
    """Four to eight thousand tokens on eight A100 save most by the published method; they miss."""
    from fleetopt.questions.two_pools import simulate_thresholds

    found = thresholds(asked("lmsys", 100.0, 65536, method="published"))
    said = found.recommended
    assert said is not None
    assert said.split.b_short == 8192
    few: Thresholds = replace(found, rows=(said,))
    seen = simulate_thresholds(few, {"replications": 2})
    (row,) = seen.rows
    assert row.simulated is not None
    assert row.simulated.verdict in ("fail", "unstable")
    assert (row.simulated.n_short, row.simulated.n_long) == (row.split.n_short, row.split.n_long)


def test_each_pool_solves_at_most_one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean context refuses most rows, and what is solved to accept one also predicts it."""
    pools: list[tuple[float, float]] = []
    solved = feasibility.states_found

    def counted(chains: Sequence[Pool]) -> list[StateMix]:
        pools.extend((env.load.arrival_rate, env.load.mean_work) for env, _ in chains)
        return solved(chains)

    monkeypatch.setattr(feasibility, "states_found", counted)
    found = thresholds(asked("lmsys", 100.0, 65536))
    assert len(pools) == len(set(pools))
    assert 0 < len(pools) <= len(found.rows)
