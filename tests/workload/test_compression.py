"""What pools serve when longer requests are compressed: exact, and nothing is lost."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.problem import LengthCdf
from fleetopt.workload.compression import Served, path_nodes, reach
from fleetopt.workload.lengths import LengthDistribution

CDF = LengthCdf(
    name="small", cdf=((40, 0.2), (200, 0.7), (333, 0.8), (900, 1.0)), prompt_fraction=0.3
)
LENGTHS = LengthDistribution.from_cdf(CDF)

Path = tuple[list[tuple[int, float]], float]


@st.composite
def paths(draw: st.DrawFn) -> Path:
    """Nodes of a fleet's path, gamma t never beyond the next node, and a share p_c."""
    points = sorted(draw(st.sets(st.integers(1, 899), max_size=4)))
    nodes = [(0, 1.0)]
    for tokens, above in zip(points, [*points[1:], 900], strict=False):
        gamma = draw(st.floats(1.0, above / tokens))
        nodes.append((tokens, gamma if reach(tokens, gamma) <= above else 1.0))
    return [*nodes, (900, 1.0)], draw(st.floats(0.01, 1.0))


def pools(path: Path) -> list[Served]:
    """The pools of a path."""
    nodes, share = path
    return [
        Served(lo, hi, gamma_lo, gamma_hi, share)
        for (lo, gamma_lo), (hi, gamma_hi) in pairwise(nodes)
    ]


def by_hand(what: Served) -> dict[tuple[int, int], float]:
    """Weight of each (prompt, output) in a pool, one request after another."""
    found: dict[tuple[int, int], float] = {}

    def add(prompt: int, output: int, weight: float) -> None:
        if weight > 0:
            found[prompt, output] = found.get((prompt, output), 0.0) + weight

    for prompt, output, weight in zip(
        LENGTHS.prompt_tokens.tolist(), LENGTHS.output_tokens.tolist(), LENGTHS.weights, strict=True
    ):
        total = prompt + output
        if what.lo_tokens < total <= what.hi_tokens:
            goes_below = total <= what.gives_up_to and output < what.lo_tokens
            add(prompt, output, weight * (1 - what.compressible_share if goes_below else 1.0))
        if what.hi_tokens < total <= what.takes_up_to and output < what.hi_tokens:
            add(what.hi_tokens - output, output, weight * what.compressible_share)
    return found


@settings(max_examples=30)
@given(paths())
def test_a_pool_serves_what_a_count_by_hand_says(path: Path) -> None:
    """Every request of every pool, its share, and total lengths that fit."""
    for what in pools(path):
        expected = by_hand(what)
        if not expected:
            with pytest.raises(ValueError, match="no requests"):
                LENGTHS.served(what)
            continue
        part, share = LENGTHS.served(what)
        found: dict[tuple[int, int], float] = {}
        for prompt, output, weight in zip(
            part.prompt_tokens.tolist(), part.output_tokens.tolist(), part.weights, strict=True
        ):
            found[prompt, output] = found.get((prompt, output), 0.0) + share * weight
        assert found == pytest.approx(expected, rel=1e-12)
        assert share == pytest.approx(LENGTHS.served_share(what), abs=1e-12)
        assert part.weights.sum() == pytest.approx(1.0)
        assert np.all(np.diff(part.total_tokens) >= 0)
        assert part.total_tokens.max() <= what.hi_tokens
        assert part.prompt_tokens.min() >= 1


@settings(max_examples=30)
@given(paths())
def test_requests_and_output_tokens_are_conserved(path: Path) -> None:
    """Over the pools of a path the shares sum to 1; only prompts get shorter."""
    shares = outputs = prompts = 0.0
    for what in pools(path):
        if LENGTHS.served_share(what) > 1e-12:
            part, share = LENGTHS.served(what)
            shares += share
            outputs += share * part.mean(part.output_tokens)
            prompts += share * part.mean(part.prompt_tokens)
    assert shares == pytest.approx(1.0, abs=1e-12)
    assert outputs == pytest.approx(LENGTHS.mean(LENGTHS.output_tokens), rel=1e-12)
    assert prompts <= LENGTHS.mean(LENGTHS.prompt_tokens) * (1 + 1e-12)


def test_long_outputs_stay_above() -> None:
    """With 70 % output, of (200, 400] tokens those of 200 or more output tokens stay."""
    _, fits = LENGTHS.compressible(200, 2.0)
    part = slice(LENGTHS.index(200), LENGTHS.index(400))
    assert np.array_equal(fits, LENGTHS.output_tokens[part] < 200)
    assert 0 < np.count_nonzero(fits) < fits.size


@given(st.integers(0, 500), st.integers(2, 400), st.floats(1.0, 3.0))
def test_a_tiny_share_changes_nothing(lo: int, width: int, gamma: float) -> None:
    """As p_c goes to nothing the pool is the one without compression."""
    tiny, plain = Served(lo, lo + width, 1.0, gamma, 1e-15), Served(lo, lo + width)
    part, share = LENGTHS.served(tiny)
    alone, own = LENGTHS.served(plain)
    assert share == pytest.approx(own, rel=1e-12)
    assert part.mean(part.total_tokens) == pytest.approx(alone.mean(alone.total_tokens))


@given(st.integers(1, 10**6), st.integers(100, 1000))
def test_reach_is_the_whole_part_of_the_product(tokens: int, hundredths: int) -> None:
    """Factors such as 1.15, which binary fractions miss by a little, reach what is meant."""
    assert reach(tokens, hundredths / 100) == tokens * hundredths // 100


def test_path_nodes() -> None:
    """Each inner breakpoint with each factor, in order; the ends without."""
    nodes = path_nodes((0, 10, 20, 40), (1.5, 1.0))
    assert nodes == ((0, 1.0), (10, 1.0), (10, 1.5), (20, 1.0), (20, 1.5), (40, 1.0))
    assert path_nodes((0, 40), (1.0, 2.0)) == ((0, 1.0), (40, 1.0))
    assert math.isclose(Served(10, 20, 1.5, 2.0, 0.75).takes_up_to, 40)
