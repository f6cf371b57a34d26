"""Traces are read whole or not at all: five kinds of files, and every bad line by its number."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import as_azure, as_csv, as_guidellm, as_jsonl, as_vllm, real, requests

from fleetopt.errors import InputError
from fleetopt.workload.traces import Replay, Trace, read_trace
from fleetopt.workload.traces.values import numbers, seconds

ROWS = requests(40)


def write(folder: Path, content: Any, name: str = "trace") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def faults_of(path: Path, **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_trace(path, **options)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("content", "format", "unix_s"),
    [
        (as_csv(ROWS), "csv", None),
        (as_azure(ROWS), "azure", 1700158546.0),
        (as_jsonl(ROWS), "jsonl", 1.7e9),
        (as_vllm(ROWS), "vllm", None),
        (as_guidellm(ROWS), "guidellm", 1.7e9),
        (as_guidellm(ROWS, "start_time"), "guidellm", 1.7e9),
    ],
)
def test_each_kind_is_recognized_and_says_the_same(
    content: Any, format: str, unix_s: float | None, tmp_path: Path
) -> None:
    trace = read_trace(write(tmp_path, content))
    times, prompts, outputs = zip(*ROWS, strict=True)
    np.testing.assert_allclose(trace.arrival_s, times, atol=5e-7)
    assert trace.prompt_tokens.tolist() == list(prompts)
    assert trace.output_tokens.tolist() == list(outputs)
    assert trace.prompt_tokens.dtype == trace.output_tokens.dtype == np.int64
    assert trace.unix_s == pytest.approx(unix_s) if unix_s else trace.unix_s is None
    (file,) = trace.files
    assert (file.format, file.requests, file.skipped) == (format, 40, 0)
    assert len(file.source.sha256) == 64


def test_models_and_categories_are_codes_with_names(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, as_jsonl(ROWS)))
    assert trace.model is not None
    assert trace.category is not None
    assert [trace.model_names[code] for code in trace.model[:3]] == ["small", "large", "small"]
    assert [trace.category_names[code] for code in trace.category[:3]] == ["math", "code", "other"]


def test_names_can_be_mapped(tmp_path: Path) -> None:
    path = write(tmp_path, as_csv([(*row, "x") for row in ROWS], ("when", "in", "out", "engine")))
    found = faults_of(path)
    assert len(found) == 2
    assert "no column for prompt tokens" in found[0]
    assert "--columns prompt=NAME" in found[0]
    names = {"time": "when", "prompt": "in", "output": "out", "model": "engine"}
    trace = read_trace(path, columns=names)
    assert trace.is_timed
    assert trace.model_names == ("x",)
    assert faults_of(path, columns={**names, "time": "wen"})[0].endswith("(did you mean 'when'?)")
    assert (
        "unknown field 'promt' (did you mean 'prompt'?)"
        in faults_of(path, columns={"promt": "in"})[0]
    )


def test_dates_with_offsets_are_one_clock(tmp_path: Path) -> None:
    rows = [
        ("2024-05-10 00:00:00.009930+00:00", 5, 5),
        ("2024-05-10T02:00:01.0099300+02:00", 5, 5),
        ("2024-05-10T00:00:02Z", 5, 5),
    ]
    trace = read_trace(
        write(tmp_path, as_csv(rows, ("TIMESTAMP", "ContextTokens", "GeneratedTokens")))
    )
    np.testing.assert_allclose(trace.arrival_s, [0.0, 1.0, 1.99007], atol=1e-9)


def test_requests_without_times_are_lengths_only(tmp_path: Path) -> None:
    result = as_vllm(ROWS)
    del result["start_times"]
    trace = read_trace(write(tmp_path, result))
    assert not trace.is_timed
    assert len(trace) == 40
    with pytest.raises(InputError, match="states no arrival times"):
        Replay(trace)
    with pytest.raises(InputError, match="needs two requests at different times"):
        _ = trace.rate


BAD = [
    # negative, no number, not finite, milliseconds, unordered times
    ((-1.0, 5, 5), "arrived_at: must be at least 0, got -1.0"),
    (("soon", 5, 5), "arrived_at: expected a time in seconds, got 'soon'"),
    (("", 5, 5), "arrived_at: expected a time in seconds, got ''"),
    (("nan", 5, 5), "arrived_at: expected a time in seconds, got 'nan'"),
    (("1700000000000", 5, 5), "arrived_at: expected a time in seconds"),
    ((0.0, 5, 5), "arrived_at: 0.0 is earlier than a line before it; times must ascend"),
    # no tokens, too many, parts of tokens
    ((99.0, 0, 5), "num_prefill_tokens: expected a whole number in [1, 4194304], got '0'"),
    ((99.0, 5, 0), "num_decode_tokens: expected a whole number in [1, 4194304], got '0'"),
    ((99.0, -3, 5), "num_prefill_tokens: expected a whole number in [1, 4194304], got '-3'"),
    ((99.0, 5, 1.5), "num_decode_tokens: expected a whole number in [1, 4194304], got '1.5'"),
    ((99.0, 5, 9e9), "num_decode_tokens: expected a whole number in [1, 4194304]"),
    ((99.0, "many", ""), "num_prefill_tokens: expected a whole number"),
    # fields missing or too many
    ((99.0, 5), "expected 3 fields, got 2"),
    ((99.0, 5, 5, 5), "expected 3 fields, got 4"),
]


@pytest.mark.parametrize(("row", "expected"), BAD)
def test_a_bad_line_is_named_or_counted(
    row: tuple[Any, ...], expected: str, tmp_path: Path
) -> None:
    path = write(tmp_path, as_csv([*ROWS[:20], row, *ROWS[20:]]))
    first, last = faults_of(path)
    assert first.startswith(f"{path}, line 22: {expected}")
    assert "1 of 41 lines are bad (--skip-bad-lines" in last
    trace = read_trace(path, skip_bad_lines=True)
    assert trace.arrival_s.tolist() == [row[0] for row in ROWS]
    assert trace.files[0].skipped == 1


def test_all_that_is_wrong_with_a_line_is_said_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, as_csv([("soon", 0, "x"), *ROWS]))
    assert faults_of(path)[0].count(";") == 2


@pytest.mark.parametrize("line", ["{", "[1]", '{"timestamp": 1e9}', '{"prompt_tokens": true}', "7"])
def test_a_bad_line_of_json_is_named_or_counted(line: str, tmp_path: Path) -> None:
    lines = as_jsonl(ROWS).splitlines()
    path = write(tmp_path, "\n".join([*lines[:7], "", line, *lines[7:]]))
    assert faults_of(path, format="jsonl")[0].startswith(f"{path}, line 9: ")
    assert read_trace(path, format="jsonl", skip_bad_lines=True).files[0].skipped == 1


def test_failed_requests_of_a_benchmark_are_bad(tmp_path: Path) -> None:
    result = as_vllm(ROWS)
    result["errors"][3], result["output_lens"][3] = "timeout", 0
    path = write(tmp_path, result)
    assert f"{path}, request 4: it failed: 'timeout'" in faults_of(path)
    assert len(read_trace(path, skip_bad_lines=True)) == 39
    report = as_guidellm(ROWS)
    report["benchmarks"][0]["requests"]["incomplete"] = [
        {"prompt_tokens": 5, "output_tokens": None}
    ]
    path = write(tmp_path, report)
    assert f"{path}, request 41: it is incomplete" in faults_of(path)
    assert len(read_trace(path, skip_bad_lines=True)) == 40


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no column for prompt tokens"),
        ("arrived_at,num_prefill_tokens,num_decode_tokens\n", "no request is in it"),
        ({"a": 1, "b": [1, 2]}, "no column for prompt tokens"),
        ('{\n  "a": 1\n}', "this is no trace of a known kind"),
        ({**as_vllm(ROWS), "output_lens": [1]}, "expected lists of one length"),
        ({**as_vllm(ROWS), "output_lens": 1}, "output_lens: expected a list, got 1"),
        ({"benchmarks": [], "requests": 1}, "expected one benchmark, got 0"),
        ({"benchmarks": [{"requests": 5}]}, "expected lists of requests"),
    ],
)
def test_what_is_no_trace(content: Any, expected: str, tmp_path: Path) -> None:
    assert expected in faults_of(write(tmp_path, content))[0]


def test_an_unknown_format_and_a_missing_file(tmp_path: Path) -> None:
    path = write(tmp_path, as_csv(ROWS))
    assert "unknown trace format 'cvs' (did you mean 'csv'?)" in faults_of(path, format="cvs")[0]
    assert "cannot be read" in faults_of(tmp_path / "gone")[0]


ruined = st.sampled_from([("x", 5, 5), (-1, 5, 5), ("inf", 5, 5), (None, 0, 5), (None, 5, "1.5")])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.dictionaries(st.integers(0, 39), ruined, min_size=1, max_size=25))
def test_every_bad_line_is_reported_with_its_number(
    bad: dict[int, tuple[Any, Any, Any]], tmp_path: Path
) -> None:
    """The first ten by number, the others by count; skipping keeps exactly the good lines."""
    rows: list[Any] = list(ROWS)
    for i, row in bad.items():
        rows[i] = (ROWS[i][0] if row[0] is None else row[0], *row[1:])
    path = write(tmp_path, as_csv(rows))
    *named, last = faults_of(path)
    lines = sorted(i + 2 for i in bad)
    assert [int(re.findall(r"line (\d+):", text)[0]) for text in named] == lines[:10]
    count = int(re.findall(r": (\d+) ", last)[0])
    assert count == (len(bad) - 10 if len(bad) > 10 else len(bad))
    good = [row for i, row in enumerate(ROWS) if i not in bad]
    if not good:
        return
    trace = read_trace(path, skip_bad_lines=True)
    assert trace.prompt_tokens.tolist() == [prompt for _, prompt, _ in good]
    assert trace.files[0].skipped == len(bad)
    np.testing.assert_allclose(trace.arrival_s, [t - good[0][0] for t, *_ in good], atol=1e-9)


@given(
    st.lists(st.one_of(st.floats(), st.text(max_size=5), st.booleans(), st.none(), st.integers()))
)
def test_fast_and_slow_conversion_agree(values: list[Any]) -> None:
    """A column of numbers is converted at once; one bad value must not change the others."""
    alone = np.array([numbers([value])[0] for value in values])
    np.testing.assert_array_equal(numbers(values), alone)
    together = numbers([*values, object()])
    np.testing.assert_array_equal(together[:-1], alone)


def test_dates_fast_and_slow_agree() -> None:
    dates = [f"2023-11-16 18:15:{s:02d}.1234567" for s in range(60)]
    fast, start = seconds(dates)
    slow, same = seconds([*dates, "2023-13-45 99:99:99"])
    np.testing.assert_array_equal(fast, slow[:-1])
    assert np.isnan(slow[-1])
    assert start == same


@pytest.mark.parametrize(
    ("name", "count", "rate", "cv2"),
    [("azure_code_2023.csv", 8819, 2.57, 173.0), ("azure_conv_2023.csv", 19366, 5.53, 1.2)],
)
def test_real_traces(name: str, count: int, rate: float, cv2: float) -> None:
    """All requests, sums against Python's csv, and the known variation of the gaps."""
    path = real(name)
    trace = read_trace(path)
    assert len(trace) == count
    assert trace.rate == pytest.approx(rate, rel=2e-3)
    gaps = np.diff(trace.arrival_s)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(cv2, rel=3e-3)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert trace.prompt_tokens.sum() == sum(int(row["num_prefill_tokens"]) for row in rows)
    assert trace.output_tokens.sum() == sum(int(row["num_decode_tokens"]) for row in rows)


def test_a_replay_is_the_trace(tmp_path: Path) -> None:
    trace: Trace = read_trace(write(tmp_path, as_csv(ROWS)))
    replay = Replay(trace)
    rng = np.random.default_rng()
    np.testing.assert_array_equal(replay.times(rng, np.inf), trace.arrival_s)
    half = replay.times(rng, trace.arrival_s[20])
    np.testing.assert_array_equal(half, trace.arrival_s[:20])
    assert replay.rate == 39 / trace.duration_s
