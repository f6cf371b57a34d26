"""Result files of serving benchmarks: `vllm bench serve`, GuideLLM and AIPerf, or a CSV.

vLLM (`--save-result`): one object with max_concurrency, completed, total_input_tokens,
total_output_tokens, mean_ttft_ms, mean_tpot_ms. GuideLLM: {"benchmarks": [...]}, each with
metrics that have {"successful": {"mean": ...}}. AIPerf (profile_export_aiperf.json): metrics
with {"avg": ...}, and input_config.loadgen.concurrency. CSV: columns clients, prompt_tokens,
output_tokens, ttft_ms, tpot_ms, or concurrency, isl, osl.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetopt.catalog.files import find_file, parse_json, read_text
from fleetopt.errors import Fault, InputError

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
    """Means of one run, as a file states them; every value is a number above 0."""

    place: str
    prompt_tokens: float
    output_tokens: float
    clients: float
    ttft_ms: float
    tpot_ms: float


@dataclass(frozen=True, slots=True)
class Results:
    """Usable runs, and those that are none with the reason."""

    runs: tuple[Result, ...]
    left_out: tuple[Fault, ...]


def read_results(*names: str) -> Results:
    """The runs of some files. Raises InputError if a file is of no known kind."""
    runs: list[Result] = []
    left_out: list[Fault] = []
    for name in names:
        path = find_file(name)
        for place, stated in _stated(path):
            numbers = {field: _number(stated.get(field)) for field in FIELDS}
            wrong = [field for field, value in numbers.items() if value is None]
            if wrong:
                got = ", ".join(f"{field} is {stated.get(field)!r}" for field in wrong)
                left_out.append(Fault(place, f"expected numbers above 0: {got}"))
            else:
                runs.append(Result(place, *(float(value or 0) for value in numbers.values())))
    return Results(tuple(runs), tuple(left_out))


def _stated(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text, _ = read_text(path)
    if not text.lstrip().startswith("{"):
        yield from _of_csv(text, path)
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


def _of_csv(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    given = reader.fieldnames or ()
    names = {field: field if field in given else _CSV.get(field, field) for field in FIELDS}
    missing = [field for field, name in names.items() if name not in given]
    if missing:
        raise InputError.single(str(path), f"expected columns {', '.join(missing)}")
    for record in reader:
        stated = {field: record[name] for field, name in names.items()}
        yield f"{path}, line {reader.line_num}", stated


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
