"""Length distributions are exact: shares, parts, clipping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.catalog import read_lengths, workload_names
from fleetopt.problem import LengthCdf
from fleetopt.workload.lengths import LengthDistribution, merged_breakpoints

CDF = LengthCdf(name="small", cdf=((40, 0.2), (200, 0.7), (333, 0.7), (900, 1.0)))
SMALL = LengthDistribution.from_cdf(CDF)


@pytest.mark.parametrize("name", workload_names())
def test_shares_at_the_points_are_the_file_s(name: str) -> None:
    """Weights sum to 1, and the share up to each point is what the file says."""
    cdf, _ = read_lengths(name)
    lengths = LengthDistribution.from_cdf(cdf)
    assert lengths.weights.sum() == pytest.approx(1.0)
    for tokens, fraction in cdf.cdf:
        assert lengths.share(0, tokens) == pytest.approx(fraction, abs=1e-10)
    assert (lengths.prompt_tokens >= 1).all()
    assert (lengths.output_tokens >= 1).all()
    long = lengths.total_tokens >= 2
    assert np.array_equal(
        lengths.total_tokens[long], (lengths.prompt_tokens + lengths.output_tokens)[long]
    )


def test_prompts_take_their_fraction() -> None:
    """Prompt = floor(p L), the rest is output."""
    ten = SMALL.index(10) - 1
    assert (SMALL.total_tokens[ten], SMALL.prompt_tokens[ten], SMALL.output_tokens[ten]) == (
        10,
        8,
        2,
    )


@given(st.integers(0, 899), st.integers(0, 899), st.integers(0, 899))
def test_parts_add_up(a: int, b: int, c: int) -> None:
    """Shares of neighbouring ranges add up, and means mix by them."""
    lo, middle, hi = sorted((a, b, c))
    whole = SMALL.share(lo, hi)
    assert whole == pytest.approx(SMALL.share(lo, middle) + SMALL.share(middle, hi))
    mixed = 0.0
    for start, end in ((lo, middle), (middle, hi)):
        if SMALL.share(start, end) > 0:
            part = SMALL.within(start, end)
            mixed += SMALL.share(start, end) * part.mean(part.total_tokens)
    if whole > 0:
        part = SMALL.within(lo, hi)
        assert mixed == pytest.approx(whole * part.mean(part.total_tokens))
    else:
        with pytest.raises(ValueError, match="no requests"):
            SMALL.within(lo, hi)


@given(st.integers(2, 900))
def test_clipping_moves_mass_and_loses_none(most: int) -> None:
    """Everything beyond the cut lands on it, with prompts near their fraction."""
    clipped = SMALL.clipped(most)
    assert clipped.weights.sum() == pytest.approx(1.0)
    assert clipped.total_tokens.max() <= most
    assert clipped.breakpoints[-1] == most
    assert clipped.clipped_share == pytest.approx(SMALL.share(most, 900))
    assert clipped.share(0, most - 1) == pytest.approx(SMALL.share(0, most - 1))
    assert (clipped.prompt_tokens >= 1).all()
    assert (clipped.output_tokens >= 1).all()


def test_sampling_follows_the_weights() -> None:
    """Shares of 200,000 draws lie within five standard errors."""
    drawn = SMALL.total_tokens[SMALL.sample(np.random.default_rng(), 200_000)]
    for tokens, fraction in CDF.cdf[:-1]:
        error = (fraction * (1 - fraction) / drawn.size) ** 0.5
        assert abs(np.mean(drawn <= tokens) - fraction) < 5 * error


def test_bands_without_traffic_are_merged() -> None:
    """(200, 333] is empty, so one of its ends is no split point; the ends stay."""
    assert merged_breakpoints(SMALL, (40, 200, 333, 5000), 900) == (0, 40, 200, 900)
    assert merged_breakpoints(SMALL, (), 900) == (0, 900)
