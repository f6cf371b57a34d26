"""Loads by prefix sums against sums over the support, one request after another."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from bundled_pools import PROFILES, WORKLOADS
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.performance.profile import IterationTime
from fleetopt.problem import LengthCdf
from fleetopt.queueing.load import LoadTable
from fleetopt.workload.lengths import LengthDistribution

CDF = LengthCdf(name="small", cdf=((40, 0.2), (200, 0.7), (333, 0.7), (900, 1.0)))
LENGTHS = LengthDistribution.from_cdf(CDF)


def iteration(context: Literal["total", "current"]) -> IterationTime:
    """An iteration time with chunks that cut most prompts."""
    return IterationTime(0.008, 1e-7, context=context, chunk_tokens=64)


def sums(lengths: LengthDistribution, time: IterationTime, lo: int, hi: int) -> dict[str, float]:
    """Mass and raw moments of (lo, hi], one request after another."""
    out = dict.fromkeys(("mass", "work", "work2", "c1", "c2", "c3"), 0.0)
    for prompt, output, weight in zip(
        lengths.prompt_tokens, lengths.output_tokens, lengths.weights, strict=True
    ):
        if not lo < prompt + output <= hi:
            continue
        chunks = math.ceil(prompt / time.chunk_tokens)
        work = chunks + output
        out["mass"] += weight
        out["work"] += weight * work
        out["work2"] += weight * work**2
        for power in (1, 2, 3):
            if time.context == "total":
                carried = work * float(prompt + output) ** power
            else:
                # Context grows evenly from 0 to the prompt, then from there to the end.
                p, t = float(prompt), float(prompt + output)
                rise = (t ** (power + 1) - p ** (power + 1)) / (power + 1)
                carried = chunks * p**power / (power + 1) + rise
            out[f"c{power}"] += weight * carried
    return out


@settings(max_examples=40)
@given(st.integers(0, 890), st.integers(1, 900), st.sampled_from(["total", "current"]))
def test_prefix_sums_equal_direct_sums(
    lo: int, width: int, context: Literal["total", "current"]
) -> None:
    """Work, its variation, context moments and both classes, for random arcs."""
    time, hi = iteration(context), lo + width
    expected = sums(LENGTHS, time, lo, hi)
    table = LoadTable(LENGTHS, time)
    if expected["mass"] == 0:
        with pytest.raises(ValueError, match="no requests"):
            table.between(lo, hi, 3.0)
        return
    load = table.between(lo, hi, 3.0)
    assert load.offered_work == pytest.approx(3.0 * expected["work"] / expected["mass"])
    second = expected["work2"] * expected["mass"] / expected["work"] ** 2
    assert load.cv2_work == pytest.approx(second - 1.0, abs=1e-9)
    raw = [expected[f"c{power}"] / expected["work"] for power in (1, 2, 3)]
    np.testing.assert_allclose(load.context.raw(), raw, rtol=1e-7)
    long = sums(LENGTHS, time, max(lo, math.floor(hi / 2)), hi)
    assert load.classes[1].share == pytest.approx(long["mass"] / expected["mass"], abs=1e-9)
    assert load.classes[0].share + load.classes[1].share == pytest.approx(1.0)
    if long["mass"] > 0:
        assert load.classes[1].mean_work == pytest.approx(long["work"] / long["mass"])
        assert load.classes[1].context.mean == pytest.approx(long["c1"] / long["work"])


@pytest.mark.parametrize("name", sorted(WORKLOADS))
@pytest.mark.parametrize("context", ["total", "current"])
def test_cells_keep_the_means_of_every_arc(name: str, context: Literal["total", "current"]) -> None:
    """Between breakpoints the cells have the support's mean work and prefill."""
    lengths = WORKLOADS[name]
    time = replace(PROFILES["a100"].iteration, context=context)
    table = LoadTable(lengths, time)
    points = lengths.breakpoints
    for lo, hi in ((points[0], points[-1]), (points[3], points[9]), (points[5], points[6])):
        load = table.between(lo, hi, 1.0)
        part = lengths.within(lo, hi)
        prefill = -(-part.prompt_tokens // time.chunk_tokens)
        cells = load.cells
        assert cells.weights.sum() == pytest.approx(1.0)
        assert cells.weights @ cells.work == pytest.approx(load.mean_work)
        assert cells.weights @ cells.prefill_iterations == pytest.approx(part.mean(prefill))
        assert cells.weights.size <= 600


def joint_lengths() -> LengthDistribution:
    """Requests whose work does not grow with their length; many share a total length."""
    rng = np.random.default_rng(12)
    prompt = np.minimum(1 + rng.lognormal(5.0, 0.9, 6000).astype(np.int64), 900)
    output = np.minimum(1 + rng.lognormal(3.0, 1.2, 6000).astype(np.int64), 900)
    counts = rng.integers(1, 4, 6000)
    return LengthDistribution.from_pairs(prompt, output, counts, (0, 128, 256, 512, 1800))


JOINT = joint_lengths()


@settings(max_examples=10)
@given(st.integers(0, 900), st.integers(50, 900))
def test_prefix_sums_of_a_joint_table(lo: int, width: int) -> None:
    """Sums over arcs that cut between requests of any total length."""
    assert (np.diff(JOINT.total_tokens) == 0).any()
    time, hi = iteration("total"), lo + width
    expected = sums(JOINT, time, lo, hi)
    load = LoadTable(JOINT, time).between(lo, hi, 3.0)
    assert load.mean_work == pytest.approx(expected["work"] / expected["mass"])
    assert load.context.mean == pytest.approx(expected["c1"] / expected["work"])
    assert JOINT.share(lo, hi) == pytest.approx(expected["mass"])


@pytest.mark.parametrize(("lo", "hi"), [(0, 1800), (0, 128), (128, 512), (512, 1800)])
def test_cells_of_a_joint_table_keep_the_tail_of_its_work(lo: int, hi: int) -> None:
    """Masses and means are exact; the 99th percentile of work is that of the requests."""
    time = iteration("total")
    cells = LoadTable(JOINT, time).between(lo, hi, 3.0).cells
    part = JOINT.within(lo, hi)
    work = -(-part.prompt_tokens // time.chunk_tokens) + part.output_tokens
    assert cells.weights.sum() == pytest.approx(1.0)
    assert cells.weights @ cells.work == pytest.approx(part.weights @ work)
    for share, near in ((0.5, 0.15), (0.9, 0.1), (0.99, 0.06)):
        exact = quantile(work.astype(np.float64), part.weights, share)
        assert quantile(cells.work, cells.weights, share) == pytest.approx(exact, rel=near)
    for least in range(1, 12):
        exact_share = part.weights[part.prompt_tokens > (least - 1) * time.chunk_tokens].sum()
        assert cells.weights[cells.prefill_iterations > least - 0.5].sum() == pytest.approx(
            exact_share
        )


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, share * below[-1])])
