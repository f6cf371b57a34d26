"""Traces cut, scaled and merged: what is kept, and what changes by how much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from recordings import requests

from fleetopt.errors import InputError
from fleetopt.workload.traces import Trace, merged, read_trace
from fleetopt.workload.traces.trace import peak_count


def trace_of(count: int, seed: int = 0, **codes: object) -> Trace:
    times, prompts, outputs = (
        np.array(column) for column in zip(*requests(count, seed), strict=True)
    )
    return Trace(times, prompts.astype(np.int64), outputs.astype(np.int64), **codes)  # type: ignore[arg-type]


TRACE = trace_of(500)
LONG = trace_of(160_000, 3)


@given(st.floats(0, 150), st.floats(0.5, 80))
def test_a_part_holds_the_requests_of_its_time(start: float, width: float) -> None:
    inside = (TRACE.arrival_s >= start) & (TRACE.arrival_s < start + width)
    assume(inside.any())
    part = TRACE.between(start, start + width)
    assert part.prompt_tokens.tolist() == TRACE.prompt_tokens[inside].tolist()
    assert part.arrival_s[0] == 0.0
    np.testing.assert_allclose(np.diff(part.arrival_s), np.diff(TRACE.arrival_s[inside]), atol=1e-9)


def test_an_empty_part_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no requests arrive in \[1e\+06, 2e\+06\) s"):
        TRACE.between(1e6, 2e6)


@given(st.floats(0.01, 100))
def test_scaling_time_scales_the_rate(factor: float) -> None:
    scaled = TRACE.with_time_scaled(factor)
    assert scaled.rate == pytest.approx(TRACE.rate / factor)
    assert np.array_equal(scaled.output_tokens, TRACE.output_tokens)


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.0, 3.7])
def test_scaling_the_rate_keeps_the_time_and_the_shape(factor: float) -> None:
    """Counts within five standard errors, over all and in each quarter of the time."""
    scaled = LONG.with_rate_scaled(factor, np.random.default_rng())
    spread = 5 * (LONG.arrival_s.size * (factor % 1) * (1 - factor % 1)) ** 0.5
    assert abs(len(scaled) - factor * len(LONG)) <= spread
    assert (np.diff(scaled.arrival_s) >= 0).all()
    assert scaled.duration_s == pytest.approx(LONG.duration_s, rel=1e-2)
    edges = np.linspace(0, LONG.duration_s, 5)
    before, _ = np.histogram(LONG.arrival_s, edges)
    after, _ = np.histogram(scaled.arrival_s, edges)
    np.testing.assert_allclose(after, factor * before, rtol=0.06)
    assert scaled.prompt_tokens.mean() == pytest.approx(LONG.prompt_tokens.mean(), rel=0.03)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_factors_that_make_no_sense(factor: float) -> None:
    with pytest.raises(InputError, match="expected a factor above 0"):
        TRACE.with_time_scaled(factor)
    with pytest.raises(InputError, match="expected a factor above 0"):
        TRACE.with_rate_scaled(factor, np.random.default_rng())


def test_merging_keeps_every_request_and_its_names() -> None:
    coded = trace_of(3, 1, model=np.array([0, 1, 0]), model_names=("a", "b"))
    other = trace_of(2, 2, model=np.array([0, 0]), model_names=("b",))
    both = merged([coded, other, trace_of(1, 3)])
    assert (np.diff(both.arrival_s) >= 0).all()
    assert both.model is not None
    found = sorted(
        (time, prompt, both.model_names[code])
        for time, prompt, code in zip(both.arrival_s, both.prompt_tokens, both.model, strict=True)
    )
    parts = [(coded, "aba"), (other, "bb"), (trace_of(1, 3), " ")]
    expected = sorted(
        (time, prompt, name.strip())
        for part, names in parts
        for time, prompt, name in zip(part.arrival_s, part.prompt_tokens, names, strict=True)
    )
    assert found == expected


def test_traces_with_and_without_times_do_not_merge() -> None:
    without = Trace(np.empty(0), TRACE.prompt_tokens, TRACE.output_tokens)
    with pytest.raises(InputError, match="states no arrival times, the others do"):
        merged([TRACE, without])
    assert len(merged([without, without])) == 1000


@given(st.floats(0.05, 60))
def test_the_peak_is_the_most_of_any_window(window: float) -> None:
    """Against a count from every arrival on."""
    part = TRACE.arrival_s[:80]
    direct = max(int(((part >= t) & (part < t + window)).sum()) for t in part)
    assert peak_count(part, window) == direct


def test_the_peak_over_everything_is_the_mean() -> None:
    assert TRACE.peak_rate(1e9) == TRACE.rate
    assert TRACE.peak_rate(5.0) > TRACE.rate


SESSIONS = """arrived_at,num_prefill_tokens,num_decode_tokens,session_id
0,100,20,ann
1,50,5,bob
2,130,10,ann
3,40,5,
4,60,9,bob
"""


def test_sessions_are_read_and_repeat_their_history(tmp_path: Path) -> None:
    """Prompt and output of the request before, as far as the prompt is long; none without."""
    trace = read_trace(_written(tmp_path, SESSIONS))
    assert trace.session is not None
    assert trace.shared_tokens is not None
    assert trace.session.tolist()[3] == -1
    assert trace.shared_tokens.tolist() == [0, 0, 120, 0, 55]
    cut = trace.between(1.5, 9.0)
    assert cut.shared_tokens is not None
    assert cut.shared_tokens.tolist() == [0, 0, 0]


def test_shared_tokens_as_a_column_states_them(tmp_path: Path) -> None:
    text = (
        SESSIONS.replace("session_id", "who,kept").replace("ann", "ann,7").replace("bob", "bob,0")
    )
    text = text.replace(",5,\n", ",5,,0\n")
    path = _written(tmp_path, text)
    trace = read_trace(path, columns={"session": "who", "prefix": "kept"})
    assert trace.shared_tokens is not None
    assert trace.shared_tokens.tolist() == [7, 0, 7, 0, 0]
    path.write_text(text.replace("bob,0", "bob,-3"))
    with pytest.raises(InputError) as caught:
        read_trace(path, columns={"session": "who", "prefix": "kept"})
    assert "line 3: kept: expected a whole number in [0," in str(caught.value)
    with pytest.raises(InputError, match="with whom they are shared"):
        read_trace(path, columns={"prefix": "kept"})


def test_merged_and_scaled_sessions_stay_apart(tmp_path: Path) -> None:
    trace = read_trace(_written(tmp_path, SESSIONS))
    both = merged([trace, trace])
    assert both.session is not None
    assert np.unique(both.session).size == 1 + 4
    assert both.shared_tokens is not None
    assert sorted(both.shared_tokens.tolist()) == [0, 0, 0, 0, 0, 0, 55, 55, 120, 120]
    twice = trace.with_rate_scaled(2.0, np.random.default_rng(), spread_s=0.1)
    assert twice.session is not None
    assert np.unique(twice.session, return_counts=True)[1].tolist() == [2, 2, 2, 2, 2]


def _written(folder: Path, text: str) -> Path:
    path = folder / "log.csv"
    path.write_text(text)
    return path
