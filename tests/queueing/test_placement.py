"""Mean TTFT of prefill alone, on one GPU and on two: published figures and where they cross."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.queueing.placement import (
    crossing_load,
    inter_op_ttft_s,
    intra_op_ttft_s,
    single_ttft_s,
)

SPEED_UPS = st.floats(1.01, 1.99)


def test_published_figures() -> None:
    """D = 0.1 s, R = 5 prompts per second, K = 1.6; crossings at K = 1.5 and 1.8."""
    assert single_ttft_s(0.1, 5.0) == pytest.approx(0.15, abs=1e-6)
    assert inter_op_ttft_s(0.1, 5.0) == pytest.approx(0.108333, abs=1e-6)
    assert intra_op_ttft_s(0.1, 5.0, 1.6) == pytest.approx(0.0767045, abs=1e-7)
    assert crossing_load(1.5) == pytest.approx(0.9361, abs=5e-5)
    assert crossing_load(1.8) == pytest.approx(1.4291, abs=5e-5)


@given(st.floats(1e-3, 10.0), st.floats(0.0, 0.999), SPEED_UPS)
def test_forms_as_they_are_written(d: float, load: float, k: float) -> None:
    """The paper's expressions, in D and R, over loads at which each is finite."""
    r = load / d
    assert single_ttft_s(d, r) == pytest.approx(d + r * d**2 / (2 * (1 - r * d)))
    r = 2 * load / d
    assert inter_op_ttft_s(d, r) == pytest.approx(d + r * d**2 / (4 * (2 - r * d)))
    r = k * load / d
    assert intra_op_ttft_s(d, r, k) == pytest.approx(d / k + r * d**2 / (2 * k * (k - r * d)))


@given(SPEED_UPS, st.floats(0.01, 0.99))
def test_sharing_wins_below_the_crossing_and_stages_above(k: float, part: float) -> None:
    at = crossing_load(k)
    assert 0.0 < at < k
    assert inter_op_ttft_s(1.0, at) == pytest.approx(intra_op_ttft_s(1.0, at, k), rel=1e-9)
    below, above = part * at, at + part * (k - at)
    assert intra_op_ttft_s(1.0, below, k) < inter_op_ttft_s(1.0, below)
    assert intra_op_ttft_s(1.0, above, k) > inter_op_ttft_s(1.0, above)


def test_a_full_replica_has_no_mean() -> None:
    assert single_ttft_s(0.1, 10.0) == math.inf
    assert inter_op_ttft_s(0.1, 20.0) == math.inf
    assert intra_op_ttft_s(0.1, 16.0, 1.6) == math.inf


@pytest.mark.parametrize(
    "call",
    [
        lambda: single_ttft_s(0.0, 1.0),
        lambda: single_ttft_s(0.1, -1.0),
        lambda: inter_op_ttft_s(0.1, 1.0, 0),
        lambda: intra_op_ttft_s(0.1, 1.0, 0.0),
        lambda: crossing_load(1.0),
        lambda: crossing_load(2.0),
    ],
)
def test_arguments_without_a_meaning(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match="Expected"):
        call()
