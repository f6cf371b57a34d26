"""Loads of compressed pools by prefix sums against those of their exact distributions."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from bundled_pools import PROFILES, WORKLOADS
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fleetopt.queueing.load import Load, LoadTable, load_table
from fleetopt.workload.compression import Served

FACTORS = (1.0, 1.1, 1.25, 1.5, 2.0)
Context = Literal["total", "current"]


def sums(load: Load) -> list[np.ndarray]:
    """Sums of 1, v, v L, v L^2 and v L^3 over the pool and over both classes, each request 1."""
    rows = [(1.0, load.mean_work, load.context)]
    rows += [(part.share, part.mean_work, part.context) for part in load.classes]
    return [np.array([n, n * v, *(n * v * x for x in context.raw())]) for n, v, context in rows]


def same_moments(found: Load, expected: Load, loss: float) -> None:
    """Sums to 1e-11 of the whole pool's: running sums of 65,000 terms lose that much.

    loss: how much larger the sums below the pool's upper end are, which differences lose.
    """
    whole = sums(expected)[0]
    for mine, its in zip(sums(found), sums(expected), strict=True):
        assert np.all(np.abs(mine - its) <= 1e-11 * loss * whole)
    assert found.cv2_work == pytest.approx(expected.cv2_work, rel=1e-10 * loss, abs=1e-11 * loss)


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(WORKLOADS)),
    st.sampled_from(["total", "current"]),
    st.tuples(st.integers(0, 20), st.integers(0, 20)),
    st.tuples(st.sampled_from(FACTORS), st.sampled_from(FACTORS)),
    st.sampled_from([0.05, 0.75, 1.0]),
)
def test_fast_sums_equal_the_exact_distribution(
    name: str,
    context: Context,
    places: tuple[int, int],
    gammas: tuple[float, float],
    share: float,
) -> None:
    """Work, its variation, contexts, both classes, and the cells' weights and means."""
    lengths = WORKLOADS[name]
    points = lengths.breakpoints
    i = places[0] % (len(points) - 1)
    j = i + 1 + places[1] % (len(points) - 1 - i)
    what = Served(
        points[i],
        points[j],
        gammas[0] if i > 0 else 1.0,
        gammas[1] if points[j] < points[-1] else 1.0,
        share,
    )
    assume(what.gives_up_to <= what.hi_tokens and lengths.served_share(what) > 1e-6)
    time = replace(PROFILES["a100"].iteration, context=context)
    part, _ = lengths.served(what)
    found = load_table(lengths, time).serving(what, 3.0)
    expected = LoadTable(part, time).between(0, what.hi_tokens, 3.0)
    below = lengths.share(0, what.takes_up_to) / lengths.served_share(what)
    same_moments(found, expected, max(1.0, below))
    cells = found.cells
    prefill = -(-part.prompt_tokens // time.chunk_tokens)
    assert cells.weights.sum() == pytest.approx(1.0)
    assert cells.weights @ cells.work == pytest.approx(expected.mean_work, rel=1e-9)
    assert cells.weights @ cells.prefill_iterations == pytest.approx(part.mean(prefill), rel=1e-9)
    assert cells.weights @ (cells.work * cells.decode_context_tokens) == pytest.approx(
        expected.cells.weights @ (expected.cells.work * expected.cells.decode_context_tokens),
        rel=5e-3,
    )
    assert cells.weights.size <= 700


def test_sums_of_many_pools_are_those_of_each() -> None:
    """What the bounds use, against the loads of the tables."""
    lengths, time = WORKLOADS["lmsys"], PROFILES["h100"].iteration
    table = load_table(lengths, time)
    pools = [
        Served(0, 1024, 1.0, 2.0, 0.75),
        Served(1024, 4096, 2.0, 1.25, 0.75),
        Served(4096, 65536, 1.25, 1.0, 0.75),
        Served(0, 65536),
    ]
    work, context_work = table.work_sums(pools)
    loads = [table.serving(what, 1.0) for what in pools]
    shares = [lengths.served_share(what) for what in pools]
    np.testing.assert_allclose(work / shares, [load.mean_work for load in loads], rtol=1e-10)
    means = [load.context.mean for load in loads]
    np.testing.assert_allclose(context_work / work, means, rtol=1e-10)


def test_uncompressed_pools_are_what_they_were() -> None:
    """With both factors 1 not a digit changes, whatever the share is."""
    table = load_table(WORKLOADS["azure"], PROFILES["a100"].iteration)
    plain, stated = table.between(512, 4096, 3.0), table.serving(Served(512, 4096, 1, 1, 0.75), 3.0)
    assert stated.mean_work == plain.mean_work
    assert stated.context == plain.context
    assert np.array_equal(stated.cells.weights, plain.cells.weights)
