"""Workloads under their published names: what is drawn, and how a distribution is split."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.catalog import data_folder, read_lengths
from fleetopt.compat import CdfWorkload, PoissonWorkload, split_cdf
from fleetopt.errors import InputError
from fleetopt.problem import LengthCdf
from fleetopt.workload.lengths import LengthDistribution

LMSYS = LengthDistribution.from_cdf(read_lengths("lmsys")[0])


@st.composite
def distributions(draw: st.DrawFn) -> list[tuple[int, float]]:
    """Two to six points below 3000 tokens, some of them without requests between."""
    tokens = sorted(draw(st.sets(st.integers(2, 3000), min_size=2, max_size=6)))
    shares = sorted(draw(st.lists(st.floats(0, 1), min_size=len(tokens), max_size=len(tokens))))
    return [*zip(tokens[:-1], shares[:-1], strict=True), (tokens[-1], 1.0)]


@given(distributions(), st.integers(2, 3000))  # a request has two tokens at least
def test_a_split_distribution_is_the_distribution_of_each_side(
    cdf: list[tuple[int, float]], b_short: int
) -> None:
    """The same requests as those of the whole below and above the split, and their share."""
    whole = LengthDistribution.from_cdf(LengthCdf(cdf=tuple(cdf)))
    short, long, alpha = split_cdf(cdf, b_short)
    assert alpha == pytest.approx(whole.share(0, b_short), abs=1e-12)
    last = cdf[-1][0]
    for part, lo, hi, share in ((short, 0, b_short, alpha), (long, b_short, last, 1.0 - alpha)):
        assert bool(part) == (share > 0)
        if share > 1e-6:
            drawn = LengthDistribution.from_cdf(LengthCdf(cdf=tuple(part)))
            for tokens in range(lo + 1, hi + 1, max(1, (hi - lo) // 7)):
                expected = whole.share(lo, tokens) / share
                assert drawn.share(0, tokens) == pytest.approx(expected, abs=1e-5)


def test_every_way_to_state_a_distribution_is_the_same() -> None:
    """A bundled name, a file, its points."""
    path = data_folder() / "lmsys_cdf.json"
    points = json.loads(path.read_text())["cdf"]
    stated = [CdfWorkload(source).lengths.cdf for source in ("lmsys", path, str(path), points)]
    assert all(cdf == stated[0] for cdf in stated)
    assert CdfWorkload("lmsys").p_quantile(0.5) == 512
    assert CdfWorkload("lmsys").p_quantile(0.9999) == 65_536


def test_drawn_requests_have_the_distribution() -> None:
    """Kolmogorov's distance of 40,000 lengths at a level of 1e-6, and shares of categories."""
    count = 40_000
    stream = PoissonWorkload(50.0, CdfWorkload("lmsys", seed=None), count, seed=None).generate()
    totals = np.sort([request.l_in + request.l_out for _, request in stream])
    exact = LMSYS.cumulative[np.searchsorted(LMSYS.total_tokens, totals, side="right")]
    steps = np.arange(1, count + 1) / count
    last = np.append(totals[1:] != totals[:-1], True)
    assert np.abs(exact - steps)[last].max() <= 2.69 / np.sqrt(count)
    shares = Counter(request.category for _, request in stream)
    for name, share in (("prose", 0.60), ("code", 0.25), ("rag", 0.15)):
        error = np.sqrt(share * (1 - share) / count)
        assert shares[name] / count == pytest.approx(share, abs=5 * error)


def test_arrivals_are_poisson_of_the_rate() -> None:
    """As many as asked, in order; mean and deviation of the gaps are those of the rate."""
    stream = PoissonWorkload(50.0, CdfWorkload("azure"), 10_000, seed=None, warm_up=0.2)
    made = stream.generate()
    times = np.array([time for time, _ in made])
    assert [request.arrival_time for _, request in made] == list(times)
    assert [request.req_id for _, request in made] == list(range(10_000))
    gaps = np.diff(times)
    assert gaps.min() >= 0
    assert gaps.mean() == pytest.approx(1 / 50, rel=5 / np.sqrt(gaps.size))
    assert gaps.std() == pytest.approx(1 / 50, rel=5 * np.sqrt(2 / gaps.size))
    assert stream.warm_up_index() == 2000


def test_prompts_are_the_stated_share() -> None:
    """Both parts are at least a token, and make up the whole."""
    made = CdfWorkload([[10, 0.5], [1000, 1.0]], l_in_frac=0.5, seed=None)
    for _ in range(200):
        request = made.sample_request(0, 0.0)
        total = request.l_in + request.l_out
        assert request.l_in == max(1, total // 2)
        assert request.l_out >= 1


def test_the_same_seed_draws_the_same_requests() -> None:
    """And another one does not."""
    streams = [
        PoissonWorkload(5.0, CdfWorkload("lmsys", seed=s), 50, seed=7).generate() for s in (1, 1, 2)
    ]
    assert streams[0] == streams[1] != streams[2]


def test_a_wrong_distribution_is_refused_with_every_fault() -> None:
    """As files are."""
    with pytest.raises(InputError) as refused:
        CdfWorkload([[512, 0.5], [256, 0.4]])
    assert len(refused.value.faults) == 3
    with pytest.raises(InputError, match="no such file or bundled workload"):
        CdfWorkload("no such file")
    with pytest.raises(InputError, match="prompt_fraction"):
        CdfWorkload("lmsys", l_in_frac=1.5)
