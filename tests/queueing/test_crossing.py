"""False position against bisection."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.queueing.crossing import last_below


def by_bisection(excess: Callable[[float], float], high: float) -> float:
    low = 0.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) <= 0.0 else (low, middle)
    return low


SHAPES: dict[str, Callable[[float, float], float]] = {
    "straight": lambda x, root: x - root,
    "logarithm": lambda x, root: math.log(x / root) if x > 0.2 * root else -math.inf,
    "steep": lambda x, root: math.expm1(min(700.0, 80.0 * (x / root - 1.0))),
    "steps": lambda x, root: math.floor(50.0 * (x / root - 1.0)) + 0.5,
    "endless above": lambda x, root: math.inf if x > 1.1 * root else x - root,
}


@pytest.mark.parametrize("shape", SHAPES)
@given(root=st.floats(0.01, 0.99))
def test_crossing_of_many_shapes(shape: str, root: float) -> None:
    def excess(x: float) -> float:
        return SHAPES[shape](x, root)

    found = last_below(excess, 1.2, 1e-6)
    assert excess(found) <= 0.0
    assert found == pytest.approx(by_bisection(excess, 1.2), abs=2e-6)


def test_nothing_below() -> None:
    assert last_below(lambda x: 1.0, 5.0, 1e-6) == 0.0


def test_few_evaluations_of_a_smooth_function() -> None:
    asked = []

    def excess(x: float) -> float:
        asked.append(x)
        return math.log(x / 0.7)

    last_below(excess, 1.0, 1e-6)
    assert len(asked) < 14
