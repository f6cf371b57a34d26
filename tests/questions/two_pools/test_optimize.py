"""What to compress at a fixed split: the sweep, its best in the simulator, and the published."""

from __future__ import annotations

import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.questions.two_pools import TwoPools, optimize
from fleetopt.questions.two_pools.sweep import factors_to
from fleetopt.study import solve_program

PROFILES = read_profiles()


def asked(cdf: str, lam: float, context: int, short: str, long: str, slo: float = 500) -> TwoPools:
    return TwoPools(read_lengths(cdf)[0], lam, PROFILES[short], PROFILES[long], slo, context)


def test_every_factor_as_the_program_sizes_it() -> None:
    question = asked("azure", 60.0, 8192, "a10g", "h100")
    found = optimize(question, 4096, (1.0, 1.5, 2.0), verify_top=0)
    for split in found.own.swept:
        plan = solve_program(question.program(4096, split.gamma))
        counts = tuple(pool.bought for pool in plan.fleet.pools)
        assert counts == (split.n_short, split.n_long)
        assert plan.cost.usd_per_year == pytest.approx(split.usd_per_year)
    assert found.own.best.usd_per_hour == min(s.usd_per_hour for s in found.own.swept if s.meets)
    assert found.own.simulated == ()


def test_the_published_mix_overloads_its_short_pool() -> None:
    """It leaves out the work of the compressed requests; the best of fleetopt is accepted."""
    question = asked("azure", 100.0, 8192, "a10g", "h100")
    found = optimize(question, 4096, (1.0, 1.5), 1, {"replications": 3})
    theirs, ours = found.published, found.own
    assert (theirs.best.gamma, theirs.best.n_short, theirs.best.n_long) == (1.5, 8, 3)
    assert theirs.best.short is not None
    assert theirs.best.short.utilization > 1.0
    assert theirs.best_simulated is not None
    assert theirs.best_simulated.verdict == "unstable"
    assert ours.best_simulated is not None
    assert ours.best_simulated.meets
    assert [pool.gpu.name for pool in ours.one_pools] == ["h100", "a10g"]
    for pool in ours.one_pools:
        assert pool.simulated is not None
        assert pool.simulated.meets


@pytest.mark.parametrize(
    ("short", "long", "gpus", "p99"),
    [("a10g", "h100", 12, (155, 30)), ("a10g", "a100", 15, (155, 112)), ("h100", "h100", 7, None)],
)
def test_published_counts_of_mixes_on_azure(
    short: str, long: str, gpus: int, p99: tuple[int, int] | None
) -> None:
    """Within one GPU at the factor of their table; its percentiles are of another simulator."""
    found = optimize(asked("azure", 100.0, 8192, short, long), 4096, (1.0, 1.1), 0)
    assert min(abs(split.gpus - gpus) for split in found.published.swept) <= 1


def test_published_counts_of_agents() -> None:
    found = optimize(asked("agent_heavy", 20.0, 65536, "h100", "h100", 1000), 4096, (1.0,), 0)
    (split,), (whole,) = found.published.swept, found.published.one_pools
    assert (split.n_short, split.n_long) == (2, 23)
    assert abs(whole.split.gpus - 24) <= 1


def test_at_the_largest_context_there_is_one_pool() -> None:
    found = optimize(asked("azure", 40.0, 8192, "a100", "a100"), 8192, factors_to(2.0), 0)
    assert {split.n_long for split in found.own.swept} == {0}
    assert {split.gpus for split in found.own.swept} == {found.own.one_pools[0].split.gpus}


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(1.0, (1.0,)), (1.25, (1.0, 1.1, 1.2, 1.25)), (1.3, (1.0, 1.1, 1.2, 1.3))],
)
def test_factors_go_up_by_a_tenth(largest: float, expected: tuple[float, ...]) -> None:
    assert factors_to(largest) == pytest.approx(expected)
