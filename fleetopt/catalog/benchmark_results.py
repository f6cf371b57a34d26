"""Result files of serving benchmarks: `vllm bench serve`, GuideLLM and AIPerf, or a CSV.

vLLM (`--save-result`): one object with max_concurrency, completed, total_input_tokens,
total_output_tokens, mean_ttft_ms, mean_tpot_ms. GuideLLM: {"benchmarks": [...]}, each with
metrics that have {"successful": {"mean": ...}}. AIPerf (profile_export_aiperf.json): metrics
with {"avg": ...}, and input_config.loadgen.concurrency. CSV: columns clients, prompt_tokens,
output_tokens, ttft_ms, tpot_ms, or concurrency, isl, osl; or batches that start together, see
batch_results.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetopt.catalog.batch_results import Row, is_of_batches, runs_of
from fleetopt.catalog.files import find_file, parse_json, read_text
from fleetopt.errors import Fault, InputError, near

FIELDS = ("prompt_tokens", "output_tokens", "clients", "ttft_ms", "tpot_ms")
_CSV = {"prompt_tokens": "isl", "output_tokens": "osl", "clients": "concurrency"}
_GUIDELLM = {
    "prompt_tokens": "prompt_token_count", "output_tokens": "output_token_count",
    "clients": "request_concurrency", "ttft_ms": "time_to_first_token_ms",
    "tpot_ms": "inter_token_latency_ms",
}  # fmt: skip
_AIPERF = {
    "prompt_tokens": "input_sequence_length", "output_tokens": "output_sequence_length",
    "ttft_ms": "time_to_first_token", "tpot_ms": "inter_token_latency",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """Means of one run, as a file states them; every value is a number above 0.

    at_once: the clients are a batch that starts together, once, and not a closed loop.
    """

    place: str
    prompt_tokens: float
    output_tokens: float
    clients: float
    ttft_ms: float
    tpot_ms: float
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """Usable runs, and those that are none with the reason."""

    runs: tuple[Result, ...]
    left_out: tuple[Fault, ...]


def read_results(*names: str, where: Mapping[str, str] | None = None) -> Results:
    """The runs of some files. where: columns of a CSV, and the values that its rows must have.

    Raises InputError if a file is of no known kind.
    """
    runs: list[Result] = []
    left_out: list[Fault] = []
    for name in names:
        path = find_file(name)
        for place, stated in _stated(path, where or {}):
            numbers = {field: _number(stated.get(field)) for field in FIELDS}
            wrong = [field for field, value in numbers.items() if value is None]
            if wrong:
                got = ", ".join(f"{field} is {stated.get(field)!r}" for field in wrong)
                left_out.append(Fault(place, f"expected numbers above 0: {got}"))
            else:
                values = {field: float(value or 0) for field, value in numbers.items()}
                runs.append(Result(place, **values, at_once=stated.get("at_once", False)))
    return Results(tuple(runs), tuple(left_out))


def _stated(path: Path, where: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text, _ = read_text(path)
    if not text.lstrip().startswith("{"):
        yield from _of_csv(text, path, where)
        return
    content = parse_json(text, path)
    if "benchmarks" in content:
        for i, run in enumerate(content["benchmarks"], 1):
            yield f"{path}, benchmark {i}", _of_guidellm(run)
    elif "mean_ttft_ms" in content:
        yield str(path), _of_vllm(content)
    elif "time_to_first_token" in content:
        yield str(path), _of_aiperf(content)
    else:
        hint = "vllm bench serve --save-result, GuideLLM, AIPerf and CSV are"
        raise InputError.single(str(path), "this is no benchmark result of a known kind", hint)


def _of_csv(
    text: str, path: Path, where: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    given = reader.fieldnames or ()
    names = {field: field if field in given else _CSV.get(field, field) for field in FIELDS}
    batches = is_of_batches(given)
    missing = [] if batches else [field for field, name in names.items() if name not in given]
    if missing:
        raise InputError.single(str(path), f"expected columns {', '.join(missing)}")
    rows = _chosen([(reader.line_num, record) for record in reader], given, where, path)
    if batches:
        for place, stated in runs_of(rows, path):
            yield place, {**stated, "at_once": True}
        return
    for line, record in rows:
        yield f"{path}, line {line}", {field: record[name] for field, name in names.items()}


def _chosen(
    rows: Sequence[Row], given: Sequence[str], where: Mapping[str, str], path: Path
) -> Sequence[Row]:
    """The rows that have these values. Raises InputError if there are no such columns or rows."""
    faults = [
        Fault(str(path), f"it has no column {column!r}", near(column, given))
        for column in where
        if column not in given
    ]
    if faults:
        raise InputError(faults)
    chosen = [(n, row) for n, row in rows if all(row[key] == where[key] for key in where)]
    if rows and not chosen:
        asked = ", ".join(f"{key}={value}" for key, value in where.items())
        raise InputError.single(str(path), f"no row has {asked}")
    return chosen


def _of_vllm(content: Mapping[str, Any]) -> Mapping[str, Any]:
    completed = _number(content.get("completed")) or math.nan
    return {
        "prompt_tokens": (_number(content.get("total_input_tokens")) or math.nan) / completed,
        "output_tokens": (_number(content.get("total_output_tokens")) or math.nan) / completed,
        "clients": content.get("max_concurrency"),
        "ttft_ms": content.get("mean_ttft_ms"),
        "tpot_ms": content.get("mean_tpot_ms"),
    }


def _of_guidellm(run: Any) -> Mapping[str, Any]:
    return {
        field: _inside(run, "metrics", name, "successful", "mean")
        for field, name in _GUIDELLM.items()
    }


def _of_aiperf(content: Mapping[str, Any]) -> Mapping[str, Any]:
    stated = {field: _inside(content, name, "avg") for field, name in _AIPERF.items()}
    return {**stated, "clients": _inside(content, "input_config", "loadgen", "concurrency")}


def _inside(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _number(value: Any) -> float | None:
    """A finite number above 0, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None
