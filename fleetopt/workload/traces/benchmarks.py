"""Result files of benchmarks that sent requests: `vllm bench serve` and GuideLLM.

vLLM (`--save-result --save-detailed`): one object with the lists input_lens, output_lens,
errors, and start_times in newer versions (seconds of the client's clock).
GuideLLM: {"benchmarks": [{"requests": {"successful": [...], "incomplete": [...],
"errored": [...]}}]}; a request has prompt_tokens, output_tokens and request_start_time
(start_time up to version 0.3), Unix times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fleetopt.catalog import parse_json
from fleetopt.errors import InputError
from fleetopt.workload.traces.columns import Columns, check_mapping

_VLLM = {"time": "start_times", "prompt": "input_lens", "output": "output_lens"}
_GUIDELLM = {"time": "request_start_time", "prompt": "prompt_tokens", "output": "output_tokens"}
_GUIDELLM_START = ("request_start_time", "start_time")


def is_vllm(text: str) -> bool:
    """Whether a text looks like the detailed result of `vllm bench serve`."""
    return '"input_lens"' in text and '"output_lens"' in text


def is_guidellm(text: str) -> bool:
    """Whether a text looks like a GuideLLM report."""
    return '"benchmarks"' in text and '"requests"' in text


def read_vllm(text: str, path: Path, columns: Mapping[str, str]) -> Columns:
    """Requests of a detailed vLLM result; those that failed are broken."""
    check_mapping(columns)
    result = _object(text, path)
    names = {field: columns.get(field, name) for field, name in _VLLM.items()}
    prompt, output = (_list(result, names[field], path) for field in ("prompt", "output"))
    times = _list(result, names["time"], path) if names["time"] in result else None
    lengths = {len(prompt), len(output), len(prompt if times is None else times)}
    if len(lengths) > 1:
        sizes = f"{names['prompt']} has {len(prompt)} entries, {names['output']} {len(output)}"
        raise InputError.single(str(path), f"expected lists of one length; {sizes}")
    errors = result.get("errors")
    failed = errors if isinstance(errors, list) and len(errors) == len(prompt) else []
    model = result.get("model_id")
    return Columns(
        "request",
        range(1, len(prompt) + 1),
        names,
        times,
        prompt,
        output,
        [str(model)] * len(prompt) if model else None,
        is_ordered=False,
        broken={i: f"it failed: {error!r:.60}" for i, error in enumerate(failed) if error},
    )


def read_guidellm(text: str, path: Path, columns: Mapping[str, str]) -> Columns:
    """Requests of a GuideLLM report that has one benchmark; unsuccessful ones are broken."""
    check_mapping(columns)
    report = _object(text, path)
    runs = _list(report, "benchmarks", path)
    if len(runs) != 1 or not isinstance(runs[0], dict):
        hint = "give one file for each"
        raise InputError.single(str(path), f"expected one benchmark, got {len(runs)}", hint)
    groups = runs[0].get("requests")
    if not isinstance(groups, dict):
        raise InputError.single(f"{path}, benchmarks[0].requests", "expected lists of requests")
    kinds = [kind for kind in ("successful", "incomplete", "errored") if groups.get(kind)]
    requests = [(kind, item) for kind in kinds for item in _list(groups, kind, path)]
    broken = {
        i: f"it is {kind}" if isinstance(item, dict) else f"expected an object, got {item!r:.60}"
        for i, (kind, item) in enumerate(requests)
        if kind != "successful" or not isinstance(item, dict)
    }
    items = [item if isinstance(item, dict) else {} for _, item in requests]
    names = {field: columns.get(field, name) for field, name in _GUIDELLM.items()}
    starts = (columns["time"],) if "time" in columns else _GUIDELLM_START
    return Columns(
        "request",
        range(1, len(items) + 1),
        names,
        [next((item[key] for key in starts if item.get(key) is not None), None) for item in items],
        [item.get(names["prompt"]) for item in items],
        [item.get(names["output"]) for item in items],
        is_ordered=False,
        broken=broken,
    )


def _object(text: str, path: Path) -> dict[str, Any]:
    content = parse_json(text, path)
    if not isinstance(content, dict):
        raise InputError.single(str(path), f"expected an object, got {content!r:.60}")
    return content


def _list(content: Mapping[str, Any], key: str, path: Path) -> Sequence[Any]:
    values = content.get(key)
    if not isinstance(values, list):
        raise InputError.single(f"{path}, {key}", f"expected a list, got {values!r:.60}")
    return values
