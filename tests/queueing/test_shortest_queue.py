"""Arrival rates of one replica among those that the router keeps even."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fleetopt.queueing.shortest_queue import shortest_queue_rates


def exact(replicas: int, rate: float, most: int) -> np.ndarray:
    """lambda_n from the chain of all replicas, each with at most so many; mean service 1."""
    states = list(itertools.product(range(most + 1), repeat=replicas))
    place = {state: i for i, state in enumerate(states)}
    generator = np.zeros((len(states), len(states)))
    for state, i in place.items():
        least = min(state)
        tied = [r for r in range(replicas) if state[r] == least and least < most]
        for r in tied:
            to = (*state[:r], state[r] + 1, *state[r + 1 :])
            generator[i, place[to]] += replicas * rate / len(tied)
        for r in range(replicas):
            if state[r]:
                to = (*state[:r], state[r] - 1, *state[r + 1 :])
                generator[i, place[to]] += 1.0
    generator -= np.diag(generator.sum(axis=1))
    balance = generator.T.copy()
    balance[-1] = 1.0
    right = np.zeros(len(states))
    right[-1] = 1.0
    chances = np.linalg.solve(balance, right)
    seen, joined = np.zeros(most + 1), np.zeros(most + 1)
    for state, i in place.items():
        seen[state[0]] += chances[i]
        if state[0] == min(state) and state[0] < most:
            joined[state[0]] += chances[i] * replicas * rate / state.count(min(state))
    return joined / seen


@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_two_replicas_are_exact(rate: float) -> None:
    expected = exact(2, rate, 24)
    found = shortest_queue_rates(2, rate, np.append(0.0, np.ones(24)))
    assert found[:6] == pytest.approx(expected[:6], rel=1e-4)


@pytest.mark.parametrize("rate", [0.4, 0.8])
def test_more_replicas_are_close(rate: float) -> None:
    """Four of them: lambda_0 within 1 %, lambda_1 within 8 %."""
    expected = exact(4, rate, 6)
    found = shortest_queue_rates(4, rate, np.append(0.0, np.ones(16)))
    assert found[0] == pytest.approx(expected[0], rel=0.01)
    assert found[1] == pytest.approx(expected[1], rel=0.08)


def test_one_replica_takes_every_arrival() -> None:
    assert shortest_queue_rates(1, 0.6, np.append(0.0, np.ones(5))).tolist() == [0.6] * 6


def test_many_replicas_hardly_ever_queue() -> None:
    """An idle replica is found nearly always, and rates fall with the queue."""
    rates = shortest_queue_rates(40, 0.5, np.append(0.0, np.ones(12)))
    assert rates[0] == pytest.approx(1.0, rel=1e-3)
    assert (np.diff(rates) <= 0).all()
