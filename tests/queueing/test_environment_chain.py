"""The two-class chain against a dense solution of its truncated generator."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from bundled_pools import PROFILES, load, table

from fleetopt.queueing.environment import Environment, blocked_states
from fleetopt.queueing.feasibility import solve_chains
from fleetopt.queueing.latency import Metric
from fleetopt.queueing.occupancy import occupancy
from fleetopt.queueing.two_class_chain import stationary_of

WAITING_LEVELS = 160
METRICS: tuple[Metric, ...] = get_args(Metric)


def chain(rate: float, replicas: int, slots: int, lo: int = 3072) -> Environment:
    """A chain of the long requests of LMSYS on H100."""
    time = PROFILES["h100"].iteration
    requests = load("lmsys", "h100", rate, lo, 65536)
    return Environment(requests, time.base_s, time.per_context_token_s, replicas, slots)


def dense(env: Environment) -> np.ndarray:
    """Stationary probabilities by level and phase, with at most WAITING_LEVELS waiting.

    States and rates are written out from the description, one transition at a time.
    """
    rest, long = env.load.classes
    levels, phases, c = env.full + WAITING_LEVELS, env.phases, env.full
    generator = np.zeros((levels, phases, levels, phases))

    def flow(m: int, k: int, to_m: int, to_k: int, rate: float) -> None:
        generator[m, k, to_m, min(to_k, phases - 1)] += rate

    for m in range(levels):
        for k in range(phases):
            served = min(m, c)
            others = max(served - k, env.replicas - k, 0)
            context = (rest.context.mean * others + long.context.mean * k) / env.replicas
            tau = env.base_s + env.per_token_s * context
            rests, longs = max(served - k, 0) / (tau * rest.mean_work), k / (tau * long.mean_work)
            if m + 1 < levels:
                join = long.share if m < c else 0.0
                flow(m, k, m + 1, k + 1, env.load.arrival_rate * join)
                flow(m, k, m + 1, k, env.load.arrival_rate * (1.0 - join))
            if m == 0:
                continue
            taken = long.share if m > c else 0.0
            flow(m, k, m - 1, k + 1, rests * taken)
            flow(m, k, m - 1, k, rests * (1.0 - taken))
            if k > 0:
                flow(m, k, m - 1, k, longs * taken)
                flow(m, k, m - 1, k - 1, longs * (1.0 - taken))
    size = levels * phases
    square = generator.reshape(size, size)
    square -= np.diag(square.sum(axis=1))
    system = square.T.copy()
    system[-1] = 1.0
    right = np.zeros(size)
    right[-1] = 1.0
    return np.linalg.solve(system, right).reshape(levels, phases)


@pytest.mark.parametrize(
    ("rate", "replicas", "slots"), [(0.2, 1, 3), (0.5, 2, 3), (0.9, 3, 4), (0.4, 1, 10)]
)
def test_elimination_equals_the_dense_solution(rate: float, replicas: int, slots: int) -> None:
    """Every level and phase to 1e-7, and the levels above c by the rate matrix."""
    env = chain(rate, replicas, slots)
    assert env.is_stable
    exact = dense(env)
    assert exact[-1].sum() < 1e-9, "the truncation is felt"
    inside, above = env.stationary(0)
    np.testing.assert_allclose(inside, exact[: env.full + 1], atol=1e-7)
    for ahead in (1, 2, 7):
        row = inside[-1] @ np.linalg.matrix_power(above, ahead)
        np.testing.assert_allclose(row, exact[env.full + ahead], atol=1e-7)


def test_chains_side_by_side_are_those_one_by_one() -> None:
    """Chains of other sizes, levels and phases beside it do not change a chain."""
    chains = [
        (chain(rate, replicas, slots), first)
        for rate, replicas, slots, first in [
            (0.2, 1, 3, 0), (0.9, 3, 4, 2), (0.4, 1, 10, 0), (2.71, 3, 16, 9), (1.5, 2, 16, 0),
        ]
    ]  # fmt: skip
    assert len({env.phases for env, _ in chains}) > 1
    for (env, first), (inside, above) in zip(chains, stationary_of(chains), strict=True):
        alone, its_above = env.stationary(first)
        assert inside.shape == (env.full + 1 - first, env.phases)
        np.testing.assert_allclose(inside, alone, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(above, its_above, rtol=1e-9, atol=1e-14)


def test_rows_take_the_states_of_chains_solved_together() -> None:
    """What is solved together predicts the percentiles of what is solved alone."""
    rates = (2.2, 2.71, 3.0)
    together = [table("lmsys", "h100", rate, 3072).row(3) for rate in rates]
    assert all(row.has_open_chain for row in together)
    solve_chains(together)
    for rate, row in zip(rates, together, strict=True):
        assert row.has_solved_chain
        assert not row.has_open_chain
        alone = table("lmsys", "h100", rate, 3072).row(3)
        for metric in METRICS:
            expected = alone.percentile_s(metric, 99.0)
            assert row.percentile_s(metric, 99.0) == pytest.approx(expected, rel=1e-9)
            worse = alone.mix.percentile_s(metric, 99.0)
            assert expected >= worse * (1.0 - 1e-5)


def test_overload_has_no_stationary_distribution() -> None:
    """A chain that drifts upwards says so."""
    env = chain(9.0, 1, 4)
    assert not env.is_stable
    with pytest.raises(ValueError, match="overloaded"):
        env.stationary(0)


def test_states_are_a_distribution() -> None:
    """What arrivals find sums to 1; waiting states have waits, the others none."""
    pool = table("lmsys", "h100", 2.71, 3072)
    row = pool.row(3)
    assert row.environment is not None
    states = row.environment.states(row.occupancy)
    assert states.probabilities.sum() == pytest.approx(1.0)
    assert (states.probabilities >= 0).all()
    waits = states.wait_s > 0
    assert waits.any()
    assert states.active[waits] == pytest.approx(row.environment.full)
    inside, above = row.environment.stationary(0)
    beyond = np.linalg.solve((np.eye(len(above)) - above).T, inside[-1]).sum()
    assert states.probabilities[waits].sum() == pytest.approx(beyond, rel=1e-5)


def test_a_light_chain_waits_never() -> None:
    """Where nothing waits the chain answers all the same."""
    env = chain(0.001, 4, 8)
    time = PROFILES["h100"].iteration
    slope = time.per_context_token_s * env.load.context.mean
    occ = occupancy(env.load.offered_work, time.base_s, slope, 4, 8)
    states = env.states(occ)
    assert states.probabilities[states.wait_s > 0].sum() < 1e-9


def test_rows_that_need_it_say_so() -> None:
    """Long LMSYS requests on few slots are marked, ordinary pools are not."""
    assert table("lmsys", "h100", 2.71, 3072).row(3).method == "two-class chain"
    assert table("azure", "h100", 100.0, 0, 8192).row(6).method == "occupancy"
    assert table("lmsys", "a100", 98.37, 0, 4096).row(3).method == "occupancy"


def test_without_blocking_the_rest_settle_beside_every_phase() -> None:
    """The cheap mixture by phase and the whole chain agree where nobody waits."""
    pool = table("lmsys", "h100", 100.0, admission="paged")
    row = pool.row(3)
    env = row.environment
    assert env is not None
    assert not env.blocks
    cheap = replace(row.mix, states=env.states(row.occupancy))
    whole = replace(row.mix, states=blocked_states([(env, row.occupancy)])[0])
    for metric in METRICS:
        expected = whole.percentile_s(metric, 99.0)
        assert cheap.percentile_s(metric, 99.0) == pytest.approx(expected, rel=0.01)
        assert expected > 1.03 * row.mix.percentile_s(metric, 99.0)  # and they matter
