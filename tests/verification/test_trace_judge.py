"""The judge on a trace: what each pool gets of it, counts, and traces that show nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.case import Case
from fleetopt.catalog import SourceFile
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, VerificationOptions
from fleetopt.verification import Judged, Recording, TraceJudge
from fleetopt.workload.arrivals import ModulatedPoisson
from fleetopt.workload.traces import Trace, TraceFile

FILES = (TraceFile(SourceFile(Path("made.csv"), "0" * 64), "csv", 0, 0),)


def trace(size: int = 4000, seed: int = 1, longest: int = 8000) -> Trace:
    """Bursts of requests of up to `longest` tokens and 300 more."""
    rng = np.random.default_rng(seed)
    times = ModulatedPoisson(150.0, 3.0, 5.0, 40.0).times(rng, 1e5 if size > 1e5 else 2000.0)[:size]
    prompt = 1 + rng.lognormal(6.0, 1.1, times.size).astype(np.int64).clip(max=longest)
    output = 1 + rng.integers(0, 300, times.size)
    return Trace(times - times[0], prompt, output, files=FILES)


def case(**keys: object) -> Case:
    stated = {"cdf": "azure", "gpus": ("a10g",), "max_context": 16384, **keys}
    return Case.of(FleetProblem.model_validate(stated))


def judge(at: Case, recorded: Trace) -> TraceJudge:
    return TraceJudge(at, Recording.of(at, recorded), VerificationOptions(), lambda _: None)


def pool(
    replicas: int, lo: int = 0, hi: int = 16384, gammas: tuple[float, float] = (1, 1)
) -> Judged:
    return Judged(lo, hi, "a10g", replicas, 10.0, *gammas)


@settings(max_examples=60)
@given(
    st.lists(st.integers(64, 12_000), min_size=1, max_size=3, unique=True).map(sorted),
    st.lists(st.sampled_from([1.0, 1.3, 2.0]), min_size=3, max_size=3),
    st.integers(0, 5),
)
def test_pools_share_the_trace_out(ends: list[int], gammas: list[float], seed: int) -> None:
    """Every request has one pool, where it fits; its output and its time stay as they were."""
    at = case(gammas=(1.0, 1.3, 2.0), compressible_share=0.6)
    made = trace(1500, seed)
    recording = Recording.of(at, made)
    draws = np.random.default_rng(seed).random(len(made))
    points = [0, *ends, 16384]
    reaches = zip(gammas, ends, [*ends[1:], 16384], strict=False)
    factors = [1.0, *(min(g, above / end) for g, end, above in reaches), 1.0]
    parts = [
        recording.of_pool(at.serves(lo, hi, below, above), draws)
        for lo, hi, below, above in zip(points, points[1:], factors, factors[1:], strict=False)
    ]
    for hi, part in zip(points[1:], parts, strict=True):
        assert (part.prompt_tokens + part.output_tokens <= hi).all()
        assert (part.prompt_tokens >= 1).all()
        assert (np.diff(part.arrival_s) >= 0).all()
    pairs = sorted(
        (t, o) for part in parts for t, o in zip(part.arrival_s, part.output_tokens, strict=True)
    )
    assert pairs == sorted(zip(made.arrival_s, made.output_tokens, strict=True))


def test_the_share_that_is_compressed_is_the_problem_s() -> None:
    at = case(gammas=(1.0, 2.0), compressible_share=0.7)
    made = trace(16_000)
    recording, draws = Recording.of(at, made), np.random.default_rng().random(len(made))
    could = (made.total_tokens > 1000) & (made.total_tokens <= 2000)
    below = recording.of_pool(at.serves(0, 1000, 1.0, 2.0), draws)
    cut = below.arrival_s.size - np.count_nonzero(made.total_tokens <= 1000)
    assert abs(cut - 0.7 * could.sum()) < 6 * np.sqrt(0.21 * could.sum())


def test_verdicts_are_counts() -> None:
    """At the limits of a bound: just enough requests within it, and one too few."""
    made = trace()
    seen = judge(case(), made)
    latencies = np.sort(seen._replayed(pool(3), 0).latencies_s["ttft"])
    allowed = len(made) // 100
    for missed, verdict in ((allowed, "pass"), (allowed + 1, "fail")):
        limit_ms = 500.0 * float(latencies[-missed - 1] + latencies[-missed])
        said = judge(case(slo=(f"p99 ttft {limit_ms}",)), made).verdict(pool(3))
        assert said.verdict == verdict
        assert said.slo_attainment.estimate == pytest.approx(1 - missed / len(made))
        assert said.arrivals == said.completed == len(made)


def test_more_replicas_attain_no_less() -> None:
    seen = judge(case(), trace())
    misses = [seen.misses(pool(n))[0] for n in range(1, 12)]
    assert misses == sorted(misses, reverse=True)
    least = int(seen.least(pool(1)))
    assert [n for n in range(1, least + 3) if seen.verdict(pool(n)).verdict == "pass"] == [
        least, least + 1, least + 2]  # fmt: skip


def test_no_number_is_enough_for_a_bound_below_the_prefill() -> None:
    assert np.isinf(judge(case(slo=("p99 ttft 5",)), trace(400)).least(pool(1)))


def test_all_requests_together() -> None:
    """In scope fleet the pools' misses add up over all requests."""
    made = trace()
    seen = judge(case(slo_scope="fleet"), made)
    pools = [pool(2, 0, 1024), pool(1, 1024, 16384)]
    said = seen.together(pools)
    missed = [p.arrivals * (1.0 - (p.slo_attainment.estimate or 0.0)) for p in said.pools]
    assert said.attained[0].estimate == pytest.approx(1 - sum(missed) / len(made))


def test_requests_beyond_the_largest_context() -> None:
    made = trace(4000, longest=30_000)
    long = made.total_tokens > 4096
    small = {"max_context": 4096}
    with pytest.raises(InputError, match=rf"{long.sum():,} of its 4,000 requests are longer"):
        Recording.of(replace_rule(case(**small, overlong="clip"), None), made)
    turned = Recording.of(case(**small, overlong="reject"), made)
    assert turned.what.rejected == long.sum()
    assert turned.requests.arrival_s.size == 4000 - long.sum()
    clipped = Recording.of(case(**small, overlong="clip"), made)
    total = clipped.requests.prompt_tokens + clipped.requests.output_tokens
    assert clipped.what.clipped == long.sum()
    assert np.array_equal(total, np.minimum(made.total_tokens, 4096))


def replace_rule(at: Case, rule: str | None) -> Case:
    """The case with another rule for lengths beyond its largest context."""
    return replace(at, problem=at.problem.model_copy(update={"overlong": rule}))


def test_a_trace_that_cannot_show_the_percentile() -> None:
    with pytest.raises(InputError, match="it has 298 requests; to show P99 takes 299"):
        Recording.of(case(), trace(298))
    assert Recording.of(case(), trace(299)).what.requests == 299
    untimed = Trace(np.zeros(0), np.full(400, 9), np.full(400, 9), files=FILES)
    with pytest.raises(InputError, match="no arrival times"):
        Recording.of(case(), untimed)


def test_pools_with_few_requests_or_none_say_so() -> None:
    seen = judge(case(), trace(1000, longest=3000))
    assert seen.verdict(pool(1, 8192)).verdict == "too short"
    assert "no request of the trace is in (8,192, 16,384]" in seen.verdict(pool(1, 8192)).reason
    assert "takes 299" in seen.verdict(pool(3, 3000)).reason
    assert seen.verdict(pool(3)).reason == ""
