"""Erlang's formulas against recursion in 30 digits."""

from __future__ import annotations

import math

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.queueing.erlang import erlang_b, erlang_c

DIGITS = 30
LOADS = (0.3, 0.85, 0.97, 0.999, 1.0 - 1e-6)
"""Offered load per server: light, moderate, heavy."""


def exact_b(servers: int, offered: float) -> mpmath.mpf:
    """1 / B(n) = 1 + n / a / B(n - 1), from B(0) = 1."""
    inverse, a = mpmath.mpf(1), mpmath.mpf(offered)
    for n in range(1, servers + 1):
        inverse = 1 + inverse * n / a
    return 1 / inverse


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("servers", [1, 2, 10, 137, 1000, 10**5])
def test_erlang_formulas_to_ten_digits(servers: int, load: float) -> None:
    """B and C to 1e-10 relative; values below the smallest double are 0."""
    offered = servers * load
    with mpmath.workdps(DIGITS):
        b = exact_b(servers, offered)
        c = b / (1 - mpmath.mpf(offered) / servers * (1 - b))
        for ours, exact in ((erlang_b(servers, offered), b), (erlang_c(servers, offered), c)):
            if exact > 1e-300:
                assert abs(ours / exact - 1) < 1e-10
            else:
                assert ours == pytest.approx(float(exact), abs=1e-300)


def test_more_load_than_servers() -> None:
    """B of an overloaded loss system is exact; everyone waits in a delay system."""
    with mpmath.workdps(DIGITS):
        assert abs(erlang_b(1000, 1300.0) / exact_b(1000, 1300.0) - 1) < 1e-10
    assert erlang_c(1000, 1000.0) == 1.0


@given(servers=st.integers(1, 10**7), load=st.floats(0.0, 0.999999))
def test_probabilities_are_ordered(servers: int, load: float) -> None:
    """0 <= B <= C <= 1: who is blocked would also have waited."""
    b, c = erlang_b(servers, servers * load), erlang_c(servers, servers * load)
    assert 0.0 <= b <= c * (1 + 1e-9) <= 1.0 + 1e-9


@given(servers=st.integers(1, 2000), offered=st.floats(0.01, 1500.0))
def test_one_more_server_by_recursion(servers: int, offered: float) -> None:
    """B(n) = a B(n - 1) / (n + a B(n - 1))."""
    before = offered * erlang_b(servers - 1, offered)
    after = erlang_b(servers, offered)
    assert math.isclose(after, before / (servers + before), rel_tol=1e-9, abs_tol=1e-300)


@pytest.mark.parametrize(("servers", "offered"), [(-1, 1.0), (1, -1.0), (1, math.nan)])
def test_impossible_systems_are_refused(servers: int, offered: float) -> None:
    """Negative or undefined sizes have no formula."""
    with pytest.raises(ValueError, match="Expected"):
        erlang_b(servers, offered)


def test_no_servers() -> None:
    """Without servers everyone is blocked, and a delay system makes no sense."""
    assert erlang_b(0, 0.0) == erlang_b(0, 3.0) == 1.0
    assert erlang_b(3, 0.0) == 0.0
    with pytest.raises(ValueError, match="at least one server"):
        erlang_c(0, 1.0)
