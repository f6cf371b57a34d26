"""Fitted workloads: exact tables, honest bins, burstiness, and a file that reads back the same."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import as_csv, real, requests

from fleetopt.catalog import read_lengths
from fleetopt.problem import ArrivalFigures, RateProfile, Workload
from fleetopt.report.export import to_json
from fleetopt.report.workload import workload_to_dict
from fleetopt.workload.arrivals import Gamma, ModulatedPoisson, Poisson
from fleetopt.workload.burstiness import WINDOWS_S, arrival_figures, dispersion, modulated
from fleetopt.workload.fitting import fit
from fleetopt.workload.joint import MOST_POINTS, joint_lengths
from fleetopt.workload.lengths import LengthDistribution
from fleetopt.workload.traces import Trace, read_trace

pairs = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 900)), min_size=2, max_size=60)


def of_pairs(values: list[tuple[int, int]], rate: float = 2.0) -> Trace:
    prompt, output = np.array(values, dtype=np.int64).T
    return Trace(np.arange(len(values)) / rate, prompt, output)


def arriving(times: np.ndarray, unix_s: float | None = None) -> Trace:
    ones = np.ones(times.size, dtype=np.int64)
    return Trace(times - times[0], ones * 7, ones, unix_s=unix_s)


@given(pairs)
def test_lengths_of_a_fit_are_those_of_the_requests(values: list[tuple[int, int]]) -> None:
    """Shares, means and every count, by going through the requests one by one."""
    workload = fit(of_pairs(values))
    lengths = LengthDistribution.from_cdf(workload)
    found = {
        (int(p), int(o)): w
        for p, o, w in zip(
            lengths.prompt_tokens, lengths.output_tokens, lengths.weights, strict=True
        )
    }
    assert found == {pair: pytest.approx(values.count(pair) / len(values)) for pair in set(values)}
    totals = sorted(p + o for p, o in values)
    assert lengths.total_tokens.tolist() == sorted(p + o for p, o in found)
    for tokens in (0, 1, *totals, totals[-1] + 1):
        share = sum(total <= tokens for total in totals) / len(totals)
        assert lengths.share(0, tokens) == pytest.approx(share)
    assert len(workload.cdf) <= MOST_POINTS
    assert workload.cdf[-1] == (totals[-1], 1.0)
    for tokens, fraction in workload.cdf:
        assert fraction == pytest.approx(sum(t <= tokens for t in totals) / len(totals))
    assert workload.prompt_fraction == pytest.approx(sum(p for p, _ in values) / sum(totals))


@given(pairs, st.integers(2, 6000))
def test_parts_and_clips_of_a_joint_table(values: list[tuple[int, int]], cut: int) -> None:
    """Requests of a part keep their pairs; clipped ones keep their share and their prompts."""
    lengths = LengthDistribution.from_cdf(fit(of_pairs(values)))
    below = [pair for pair in values if sum(pair) <= cut]
    if below:
        part = lengths.within(0, cut)
        assert part.mean(part.output_tokens) == pytest.approx(np.mean([o for _, o in below]))
        assert part.mean(part.prompt_tokens) == pytest.approx(np.mean([p for p, _ in below]))
    clipped = lengths.clipped(cut)
    assert clipped.weights.sum() == pytest.approx(1.0)
    assert clipped.clipped_share == pytest.approx(1 - len(below) / len(values))
    assert (np.diff(clipped.total_tokens) >= 0).all()
    assert clipped.total_tokens.max() <= cut
    assert clipped.share(0, cut - 1) == pytest.approx(lengths.share(0, cut - 1))


def test_drawn_requests_follow_the_joint_table() -> None:
    """Shares of pairs with the same total length, within five standard errors."""
    lengths = LengthDistribution.from_cdf(fit(of_pairs([(5, 5), (8, 2), (8, 2), (1, 20)])))
    assert lengths.total_tokens.tolist() == [10, 10, 21]
    drawn = lengths.sample(np.random.default_rng(), 100_000)
    shares = np.bincount(drawn, minlength=3) / 100_000
    np.testing.assert_allclose(shares, lengths.weights, atol=5 * (0.25 / 100_000) ** 0.5)


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_bins_keep_the_means_and_small_counts(seed: int) -> None:
    """Above the limit no count leaves its bin; sums stay within rounding."""
    rng = np.random.default_rng(seed)
    prompt = np.rint(rng.lognormal(6, 1.2, 3000)).astype(np.int64) + 1
    output = np.rint(rng.lognormal(4, 1, 3000)).astype(np.int64) + 1
    trace = Trace(np.empty(0), prompt, output)
    joint = joint_lengths(trace, 2000)
    table = np.array(joint.pairs)
    assert joint.binned_above is not None
    assert table.shape[0] <= 2000
    assert table[:, 2].sum() == 3000
    for column, values in ((0, prompt), (1, output)):
        assert (table[:, column] * table[:, 2]).sum() / 3000 == pytest.approx(
            values.mean(), rel=1e-3
        )
        exact = np.sort(values)
        binned = np.sort(np.repeat(table[:, column], table[:, 2]))
        small = exact <= joint.binned_above
        assert np.array_equal(exact[small], binned[small])
        np.testing.assert_allclose(
            binned, exact, rtol=2 ** (1 / (joint.bins_per_doubling or 1)) - 1, atol=1
        )
    assert joint_lengths(trace, 10**6).binned_above is None


@pytest.mark.parametrize("cells", [300, 30])
def test_few_pairs_are_enough_if_they_must_be(cells: int) -> None:
    rng = np.random.default_rng()
    trace = Trace(np.empty(0), rng.integers(1, 4000, 2000), rng.integers(1, 900, 2000))
    table = np.array(joint_lengths(trace, cells).pairs)
    assert table.shape[0] < 2000
    assert table[:, 2].sum() == 2000


@pytest.mark.parametrize(("process", "cv2"), [(Poisson(5.0), 1.0), (Gamma(5.0, 6.0), 6.0)])
def test_burstiness_of_known_processes(process: Poisson | Gamma, cv2: float) -> None:
    """Renewal processes: the long-run index of dispersion is the gaps' cv2."""
    times = process.times(np.random.default_rng(), 120_000.0)
    figures = arrival_figures(arriving(times))
    assert figures.rate == pytest.approx(5.0, rel=0.05)
    assert figures.gap_cv2 == pytest.approx(cv2, rel=0.1)
    index = dict(figures.dispersion)
    assert index[60.0] == pytest.approx(cv2, rel=0.25)
    assert dict(figures.peak_rates)[60.0] > figures.rate


def test_dispersion_of_evenly_spaced_and_clustered_arrivals() -> None:
    """Ten a second exactly; and ten at once each second."""
    even = np.arange(1000) / 10 + 0.05
    assert dispersion(even, 1.0) == 0.0
    bunched = np.repeat(np.arange(100), 10) + 0.05
    assert dispersion(bunched, 1.0) == 0.0
    counts = np.tile([10.0, 0.0], 49)  # half seconds, whole windows of 98.05 s * 2
    assert dispersion(np.append(bunched, 99.05), 0.5) == pytest.approx(
        counts.var() / counts.mean(), rel=0.1
    )


@pytest.mark.parametrize(
    "process",
    [ModulatedPoisson.of(20.0, 30.0, 5.0), ModulatedPoisson.of(20.0, 8.0, 3.0, burst_share=0.2)],
)
def test_bursts_are_found_again(process: ModulatedPoisson) -> None:
    """Fits to recordings of 3000 s have, on average, the index of what was drawn."""
    rng = np.random.default_rng()
    fitted: dict[float, list[float]] = {1.0: [], 10.0: [], 60.0: []}
    for _ in range(64):
        figures = arrival_figures(arriving(process.times(rng, 3000.0)))
        found = modulated(figures)
        assert found is not None
        assert found.rate == pytest.approx(figures.rate)
        for window, values in fitted.items():
            values.append(found.dispersion(window))
    for window, values in fitted.items():
        assert np.mean(values) == pytest.approx(process.dispersion(window), rel=0.25)


@pytest.mark.parametrize(
    "process",
    [ModulatedPoisson.of(20.0, 30.0, 5.0), ModulatedPoisson.of(20.0, 8.0, 3.0, burst_share=0.2)],
)
def test_exact_figures_give_the_process_itself(process: ModulatedPoisson) -> None:
    """Without chance: the figures that the process has in the long run lead back to it."""
    figures = ArrivalFigures(
        requests=20_000_000, duration_s=1e6, rate=process.rate, gap_cv2=process.cv2,
        dispersion=tuple((window, process.dispersion(window)) for window in WINDOWS_S),
        peak_rates=(), profile=RateProfile(bin_s=1e6, rates=(process.rate,)),
    )  # fmt: skip
    found = modulated(figures)
    assert found is not None
    assert found.rate == pytest.approx(process.rate)
    for window in (*WINDOWS_S, math.inf):
        assert found.dispersion(window) == pytest.approx(process.dispersion(window), rel=0.05)
    assert found.cv2 == pytest.approx(process.cv2, rel=0.05)


def test_arrivals_calmer_than_poisson_have_no_bursts() -> None:
    times = Gamma(5.0, 0.1).times(np.random.default_rng(), 5000.0)
    assert modulated(arrival_figures(arriving(times))) is None


def test_the_rate_over_time_and_over_the_day() -> None:
    """Bins add up to the requests; hours count the time recorded in them."""
    rng = np.random.default_rng()
    times = np.sort(np.concatenate((rng.random(7200) * 3600, 7200 + rng.random(3600) * 3600)))
    trace = arriving(times, unix_s=3600.0 * (10 + 24 * 5000))
    profile = arrival_figures(trace).profile
    edges = np.append(np.arange(len(profile.rates)) * profile.bin_s, trace.duration_s)
    assert (np.array(profile.rates) * np.diff(edges)).sum() == pytest.approx(len(trace))
    assert profile.start_utc.endswith(" 10:00:00")
    known = {hour: rate for hour, rate in enumerate(profile.hours_utc) if rate is not None}
    assert known.keys() == {10, 11, 12}
    assert known[10] == pytest.approx(2.0, abs=0.02)
    assert known[11] == pytest.approx(0.0, abs=0.01)
    assert known[12] == pytest.approx(1.0, abs=0.02)
    assert arrival_figures(arriving(times)).profile.hours_utc == ()


def test_the_file_reads_back_the_same(tmp_path: Path) -> None:
    """Through JSON, with its digest, its rate and its counts."""
    source = tmp_path / "t.csv"
    source.write_text(as_csv([*requests(300), ("x", 1, 1)]))
    workload = fit(read_trace(source, skip_bad_lines=True), "mine", "Mine", "made up")
    path = tmp_path / "mine.workload.json"
    path.write_text(to_json(workload_to_dict(workload)))
    again, _ = read_lengths(str(path))
    assert again == workload
    assert isinstance(again, Workload)
    assert again.files[0].skipped == 1
    assert again.files[0].sha256 == read_trace(source, skip_bad_lines=True).files[0].source.sha256
    assert json.loads(path.read_text())["schema"] == "fleetopt.workload/1"
    assert max(len(line) for line in path.read_text().splitlines()) < 200


@pytest.mark.parametrize("name", ["azure_code_2023.csv", "azure_conv_2023.csv"])
def test_real_traces_are_fitted_exactly(name: str) -> None:
    trace = read_trace(real(name))
    workload = fit(trace, "real")
    assert workload.joint is not None
    assert workload.joint.binned_above is None
    lengths = LengthDistribution.from_cdf(workload)
    assert lengths.mean(lengths.prompt_tokens) == pytest.approx(trace.prompt_tokens.mean())
    assert lengths.mean(lengths.output_tokens**2) == pytest.approx((trace.output_tokens**2).mean())
    for share in (0.5, 0.9, 0.99):
        at = np.quantile(trace.total_tokens, share, method="inverted_cdf")
        assert lengths.share(0, float(at)) >= share - 1e-12
        assert lengths.share(0, float(at) - 1) < share
