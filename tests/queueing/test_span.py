"""Moves between backlogs and steady states against sums that are written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.backlog import backlog
from fleetopt.queueing.first_token import BINS, FirstToken
from fleetopt.queueing.pace import Pace
from fleetopt.queueing.prefilling import Prefilling
from fleetopt.queueing.span import STATES, span, stationary

PROMPTS, SHARES = np.array([3.0, 10.0]), np.array([0.6, 0.4])


def requests(budget: int, base_s: float = 0.01, per_token_s: float = 1e-4) -> Prefilling:
    """Prompts of whole steps of a grid with one token between its points."""
    chunk = budget or 1_000_000
    time = IterationTime(base_s, 0.0, 0.002, per_token_s, "current", chunk, budget)
    outputs = np.full(PROMPTS.size, 50.0)
    return Prefilling(time, PROMPTS, outputs, SHARES, PROMPTS, SHARES, 100.0, 50.0)


def compound(expected: float) -> np.ndarray:
    """P(so many tokens arrive), the number of requests being Poisson: sums of prompts, by turns."""
    one = np.zeros(STATES)
    one[PROMPTS.astype(int)] = SHARES
    total, sums = np.zeros(STATES), np.eye(1, STATES)[0]
    for count in range(60):
        total += math.exp(-expected) * expected**count / math.factorial(count) * sums
        sums = np.convolve(sums, one)[:STATES]
    return total


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([0, 7, 40, 500]),
    st.floats(0.001, 2.0),
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, 0.0105, 1.0]),
)
def test_moves_are_what_is_left_and_what_arrives(
    budget: int, expected: float, growth: float, base_s: float
) -> None:
    """From Q tokens, an iteration leaves Q - b, and the tokens of Poisson requests come."""
    grid = span(requests(budget, base_s), 0.0, STATES - 1.0)
    assert grid.tokens[1] == pytest.approx(1.0)
    arrivals = expected * (1.0 - growth + growth * grid.seconds / grid.seconds[-1])
    moves = grid.moves(arrivals)
    assert moves.sum(axis=1) == pytest.approx(np.ones(STATES))
    for state in (0, 1, 6, 7, 8, 41, STATES - 1):
        left = max(0, state - (budget or STATES))
        added = compound(float(arrivals[state]))[: STATES - left]
        assert moves[state, : left + 1] == pytest.approx(np.eye(1, left + 1, left)[0] * added[0])
        assert moves[state, left:-1] == pytest.approx(added[:-1], abs=1e-9)


def test_a_steady_state_stays() -> None:
    moves = span(requests(9), 0.0, STATES - 1.0).moves(np.full(STATES, 0.9))
    steady = stationary(moves)
    assert steady.sum() == pytest.approx(1.0)
    assert steady @ moves == pytest.approx(steady, abs=1e-12)
    walked = np.full(STATES, 1.0 / STATES)
    for _ in range(4000):
        walked = walked @ moves
    assert steady == pytest.approx(walked, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.1, 1.3), st.sampled_from([0, 25, 200]), st.integers(1, 3))
def test_lateness_at_a_limit_is_that_of_the_whole_curve(
    part: float, budget: int, replicas: int
) -> None:
    """Summed up at a single time, and by the transforms of all times."""
    chain = backlog(requests(budget), 4.0, 60.0 * replicas, replicas)
    pace = Pace([chain], 60.0 * replicas, replicas)
    limit_s = part * float(pace.grid_s[-1])
    alone = FirstToken(chain, pace.rate, replicas, float(pace.grid_s[1]))
    curve = pace.late(np.ones(1))
    assert curve.size == BINS + 1
    expected = np.interp(limit_s, pace.grid_s, curve, left=1.0, right=0.0)
    assert alone.late_at(limit_s) == pytest.approx(float(expected), abs=1e-12)
    pace.follow()
    assert pace.late_at(limit_s)[0] == pytest.approx(float(expected), abs=1e-12)
