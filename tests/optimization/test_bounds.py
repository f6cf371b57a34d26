"""Bounds on the cost of fleets, and which arcs they ask the price of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.optimization.bounds import PathBounds

Arc = tuple[int, int, float, float]
"""Start, end, bound and true cost."""


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Arc], int, int]:
    """Arcs with whole costs, so that ties are common, over positions 0 .. last."""
    last = draw(st.integers(1, 5))
    arcs = []
    for _ in range(draw(st.integers(1, 25))):
        start = draw(st.integers(0, last - 1))
        bound = float(draw(st.integers(1, 6)))
        extra = draw(st.sampled_from([0.0, 0.0, 1.0, 3.0, math.inf]))
        arcs.append((start, draw(st.integers(start + 1, last)), bound, bound + extra))
    return arcs, last, draw(st.integers(1, 4))


def paths(arcs: list[Arc], last: int, most: int, start: int = 0) -> list[tuple[int, ...]]:
    """Every path to the last position, by the numbers of its arcs."""
    if start == last:
        return [()]
    if most == 0:
        return []
    return [
        (i, *rest)
        for i, arc in enumerate(arcs)
        if arc[0] == start
        for rest in paths(arcs, last, most - 1, arc[1])
    ]


def cost(arcs: list[Arc], path: tuple[int, ...]) -> float:
    return sum(arcs[i][3] for i in path)


def bounds_of(arcs: list[Arc], last: int, most: int) -> PathBounds:
    starts, ends, bounds, _ = (np.array(column) for column in zip(*arcs, strict=True))
    return PathBounds(starts, ends, bounds, last + 1, most)


@settings(max_examples=200)
@given(problems(), st.floats(0.0, 12.0), st.data())
def test_nothing_that_a_fleet_of_this_cost_has_is_left_out(
    problem: tuple[list[Arc], int, int], at_most: float, data: st.DataObject
) -> None:
    """The least cost is found, and each arc of every cheaper path is priced, once.

    Half way to its price an arc may tell a better bound, as tables do row by row.
    """
    arcs, last, most = problem
    every = paths(arcs, last, most)
    least = min((cost(arcs, path) for path in every), default=math.inf)
    bounds, priced = bounds_of(arcs, last, most), []
    told = set[int]()

    def price(arc: int) -> tuple[float, bool]:
        _, _, bound, true = arcs[arc]
        if arc not in told and bound < true:
            told.add(arc)
            return min(bound + 1.0, true), False
        priced.append(arc)
        return true, True

    assert bounds.settle(price) == least
    cheapest = [path for path in every if cost(arcs, path) <= least < math.inf]
    assert not cheapest or any(set(path) <= set(priced) for path in cheapest)
    among = np.array([data.draw(st.booleans()) for _ in arcs])
    kept = [path for path in every if all(among[i] for i in path)]
    expected = min((cost(arcs, path) for path in kept), default=math.inf)
    assert bounds.settle(price, among=among) == expected
    bounds.settle(price, at_most)
    within = {i for path in every if cost(arcs, path) < at_most - 1e-6 for i in path}
    assert within <= set(priced)
    assert len(priced) == len(set(priced))


def test_dear_arcs_are_never_priced() -> None:
    """Where a cheap path is found first, the price of others is not asked."""
    arcs = [(0, 1, 1.0, 1.0), (1, 2, 1.0, 1.0), (0, 2, 5.0, 5.0), (1, 2, 9.0, 9.0)]
    priced: list[int] = []
    bounds = bounds_of(arcs, 2, 2)

    def price(arc: int) -> tuple[float, bool]:
        priced.append(arc)
        return arcs[arc][3], True

    assert bounds.settle(price) == pytest.approx(2.0)
    assert sorted(priced) == [0, 1]
    bounds.settle(price, below=5.0)
    assert sorted(priced) == [0, 1]
    bounds.settle(price, below=5.1)
    assert sorted(priced) == [0, 1, 2]


def test_ties_are_left_alone() -> None:
    """Of arcs that cost the same one is priced; the others cannot make a cheaper path."""
    arcs = [(0, 1, 4.0, 4.0)] * 50
    priced: list[int] = []

    def price(arc: int) -> tuple[float, bool]:
        priced.append(arc)
        return arcs[arc][3], True

    assert bounds_of(arcs, 1, 3).settle(price) == pytest.approx(4.0)
    assert len(priced) == 1


def test_an_arc_that_cannot_raise_the_bound_of_its_path_waits() -> None:
    """Beside a known arc of the same cost, others tell nothing: the other end is priced first."""
    heads = [(0, 1, 1.0, 1.0)] * 20
    tails = [(1, 2, 3.0, 7.0)] * 20
    arcs = [*heads, *tails, (0, 2, 6.0, 6.0)]
    priced: list[int] = []

    def price(arc: int) -> tuple[float, bool]:
        priced.append(arc)
        return arcs[arc][3], True

    bounds = bounds_of(arcs, 2, 2)
    assert bounds.settle(price) == pytest.approx(6.0)
    assert sum(arc < 20 for arc in priced) == 1
    assert set(range(20, 41)) <= set(priced)
    bounds.settle(price, below=8.5)
    assert set(range(41)) == set(priced)


def test_the_least_loaded_of_equal_arcs_comes_first() -> None:
    """It is the most likely to cost no more than its bound; the others are never asked then."""
    arcs = [(0, 1, 2.0, 5.0), (0, 1, 2.0, 2.0), (0, 1, 2.0, 4.0), (0, 1, 1.0, 3.0)]
    loads = np.array([0.9, 0.2, 0.5, 1.0])
    starts, ends, costs, _ = (np.array(column) for column in zip(*arcs, strict=True))
    priced: list[int] = []

    def price(arc: int) -> tuple[float, bool]:
        priced.append(arc)
        return arcs[arc][3], True

    assert PathBounds(starts, ends, costs, 2, 1, loads).settle(price) == pytest.approx(2.0)
    assert priced == [3, 1]
