"""The backlog of prompts against closed forms, and against iterations played one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.backlog import Backlog, backlog, saturated
from fleetopt.queueing.prefilling import Prefilling

PROMPTS = np.array([200.0, 900.0, 3000.0])
SHARES = np.array([0.5, 0.4, 0.1])


def prefilling(time: IterationTime, prompts: np.ndarray = PROMPTS) -> Prefilling:
    """Requests with these prompts and 100 output tokens."""
    shares = SHARES if prompts.size == SHARES.size else np.full(prompts.size, 1 / prompts.size)
    outputs = np.full(prompts.size, 100.0)
    return Prefilling(time, prompts, outputs, shares, prompts, shares, 1000.0, 100.0)


def profile(
    base_s: float, prefill_base_s: float, per_token_s: float, budget: int = 0, h: float = 0.0
) -> IterationTime:
    """Iterations with a token budget that one prompt may take alone."""
    chunk = budget or 1_000_000
    return IterationTime(base_s, h, prefill_base_s, per_token_s, "current", chunk, budget)


def test_iterations_without_prefill_cost_last_as_long_as_their_decodes() -> None:
    chain = backlog(prefilling(profile(0.01, 0.0, 0.0, h=1e-8)), 10.0, 20.0, 2)
    assert chain.mean_s == pytest.approx(0.01 + 1e-8 * 1000.0 * 10.0, rel=1e-9)
    assert chain.decode_share == pytest.approx(1.0)


@settings(max_examples=30)
@given(st.floats(0.05, 0.8))
def test_moments_of_iterations_that_only_prefill(load: float) -> None:
    """tau = F0 + F1 P: E = F0 / (1 - u), Var = F1^2 r E[p^2] E / (1 - u^2), u = F1 r E[p].

    A branching process with immigration: the prompts of an iteration are those that arrived
    during the one before.
    """
    per_token_s, base_s = 2e-5, 0.02
    rate = load / (per_token_s * float(SHARES @ PROMPTS))
    chain = backlog(prefilling(profile(base_s, base_s, per_token_s)), 0.0, rate, 1)
    mean = base_s / (1.0 - load)
    square = float(SHARES @ PROMPTS**2)
    variance = per_token_s**2 * rate * square * mean / (1.0 - load**2)
    found = float(chain.probabilities @ chain.seconds**2) - chain.mean_s**2
    assert chain.mean_s == pytest.approx(mean, rel=0.01)
    assert found == pytest.approx(variance, rel=0.08)
    rest = (variance + mean**2) / (2.0 * mean)
    assert chain.residual_s(rate, 1) == pytest.approx(rest, rel=0.03)


@settings(max_examples=30)
@given(st.floats(0.1, 0.85), st.sampled_from([512, 2048]))
def test_budget_is_a_server_of_its_own(load: float, budget: int) -> None:
    """Prompts of one budget each, iterations of one length: the queue M/D/1.

    At the start of an iteration E[Q] = a + a^2 / (2 (1 - a)) prompts, a expected in each.
    """
    per_token_s = 1e-5
    full_s = per_token_s * budget
    requests = prefilling(profile(full_s, 0.0, per_token_s, budget), np.array([float(budget)]))
    chain = backlog(requests, 0.0, load / full_s, 1)
    expected = load + load**2 / (2.0 * (1.0 - load))
    assert float(chain.probabilities @ chain.tokens) / budget == pytest.approx(expected, rel=0.01)


def test_chain_agrees_with_iterations_played_one_by_one() -> None:
    """Mean and standard deviation of tau, with all of decodes, prompts and budget at work."""
    requests = prefilling(profile(0.01, 0.004, 1.5e-5, 2048, h=2e-9))
    active, rate = 30.0, 60.0
    chain = backlog(requests, active, rate, 1)
    rng = np.random.default_rng()
    left, taus = np.zeros(500), []  # as many replicas side by side
    for _ in range(5000):
        taken = np.minimum(left, 2048 - active)
        prefill_s = np.where(taken > 0.0, 0.004 + 1.5e-5 * taken, 0.0)
        tau = np.maximum(0.01 + 2e-9 * 1000.0 * active, prefill_s)
        new = rng.poisson(rate * tau[:, None] * SHARES) @ PROMPTS
        left += new - taken
        taus.append(tau)
    taus = taus[500:]  # from an empty backlog to a settled one
    assert chain.mean_s == pytest.approx(np.mean(taus), rel=0.02)
    assert _deviation(chain) == pytest.approx(np.std(taus), rel=0.04)


def _deviation(chain: Backlog) -> float:
    return math.sqrt(float(chain.probabilities @ chain.seconds**2) - chain.mean_s**2)


def test_saturation_without_prefill_cost_is_all_slots_at_the_decode_time() -> None:
    """s / (D (E[output] + 1)): every prompt takes one iteration."""
    requests = prefilling(profile(0.01, 0.0, 0.0, h=1e-8))
    full_s = 0.01 + 1e-8 * 1000.0 * 64
    assert saturated(requests, 64) == pytest.approx(64 / (full_s * 101.0), rel=1e-3)


def test_saturation_by_the_budget_is_its_tokens_per_second() -> None:
    """With slots for all, prompt tokens per second reach budget / tau(budget)."""
    requests = prefilling(profile(0.001, 0.0, 1e-5, 2048))
    limit = 2048 / (1e-5 * 2048) / float(SHARES @ PROMPTS)
    assert 0.85 * limit <= saturated(requests, 1500) <= limit


@pytest.mark.parametrize("replicas", [1, 2, 8, 64])
def test_long_iterations_bring_fewer_of_the_arrivals_of_a_pool(replicas: int) -> None:
    """The iteration time agrees with the arrivals it brings, and swings less in a large pool."""
    requests = prefilling(profile(0.01, 0.004, 3e-5))
    chain = backlog(requests, 20.0, 20.0 * replicas, replicas)
    arrivals = 20.0 * (chain.alpha * chain.seconds + (1.0 - chain.alpha) * chain.mean_s)
    assert float(chain.probabilities @ arrivals) == pytest.approx(20.0 * chain.mean_s, rel=1e-3)
    alone = backlog(requests, 20.0, 20.0, 1)
    assert _deviation(chain) <= _deviation(alone) * (1.0 + 1e-9)
