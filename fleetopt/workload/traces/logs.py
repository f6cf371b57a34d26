"""Logs with one request a line: CSV with a heading, and JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fleetopt.errors import Fault, InputError, near
from fleetopt.workload.traces.columns import Columns, check_mapping

NAMES: dict[str, tuple[str, ...]] = {
    "time": ("TIMESTAMP", "arrived_at", "timestamp", "arrival_s", "time"),
    "prompt": ("ContextTokens", "num_prefill_tokens", "prompt_tokens", "input_tokens"),
    "output": (
        "GeneratedTokens",
        "num_decode_tokens",
        "generated_tokens",
        "output_tokens",
        "completion_tokens",
    ),
    "model": ("selected_model", "model"),
    "category": ("category",),
    "session": ("session_id", "session", "conversation_id"),
    "prefix": ("prefix_tokens", "shared_prefix_tokens"),
}
"""Names by which a field is known, the first one found being taken."""


def read_csv(text: str, path: Path, columns: Mapping[str, str]) -> Columns:
    """A CSV file whose first line names the columns."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        heading = [name.strip() for name in next(reader, [])]
        names = _names(heading, path, columns)
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise InputError.single(f"{path}, line {reader.line_num}", f"no CSV: {error}") from None
    width = len(heading)
    broken = {
        i: f"expected {width} fields, got {len(row)}"
        for i, (_, row) in enumerate(rows)
        if len(row) != width
    }
    for i in broken:
        rows[i] = (rows[i][0], [""] * width)
    by_name = dict(zip(heading, zip(*(row for _, row in rows), strict=True), strict=False))
    return _columns([line for line, _ in rows], names, by_name, broken)


def read_jsonl(text: str, path: Path, columns: Mapping[str, str]) -> Columns:
    """A file with one JSON object a line."""
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    broken: dict[int, str] = {}
    objects = [_object(line, i, broken) for i, (_, line) in enumerate(lines)]
    keys = list(dict.fromkeys(key for item in objects for key in item))
    names = _names(keys, path, columns)
    by_name = {name: [item.get(name) for item in objects] for name in names.values()}
    return _columns([number for number, _ in lines], names, by_name, broken)


def _object(line: str, index: int, broken: dict[int, str]) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        broken[index] = f"expected a JSON object, got {line.strip()!r:.60}"
        return {}
    if not isinstance(item, dict):
        broken[index] = f"expected a JSON object, got {item!r:.60}"
        return {}
    return item


def _names(known: Sequence[str], path: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """The file's name of each field that it has. Raises InputError with all that are missing."""
    check_mapping(columns)
    names, faults = {}, []
    for field, usual in NAMES.items():
        stated = columns.get(field)
        found = [stated] if stated in known else [] if stated else [n for n in usual if n in known]
        if found:
            names[field] = str(found[0])
        elif stated:
            faults.append(
                Fault(str(path), f"no column {stated!r} for {field}", near(stated, known))
            )
        elif field in ("prompt", "output"):
            text = f"no column for {field} tokens; known names: {', '.join(usual)}"
            faults.append(Fault(str(path), text, f"name it: --columns {field}=NAME"))
    if "prefix" in columns and "session" not in names:
        text = "shared prefixes need a column that says with whom they are shared"
        faults.append(Fault(str(path), text, "name it: --columns session=NAME"))
    if faults:
        raise InputError(faults)
    return names


def _columns(
    places: list[int],
    names: dict[str, str],
    by_name: Mapping[str, Sequence[Any]],
    broken: dict[int, str],
) -> Columns:
    values = {field: by_name.get(name, ()) for field, name in names.items()}
    return Columns(
        "line",
        places,
        names,
        values.get("time"),
        values["prompt"],
        values["output"],
        _texts(values.get("model")),
        _texts(values.get("category")),
        _texts(values.get("session")),
        values.get("prefix") if "session" in names else None,
        broken=broken,
    )


def _texts(values: Iterable[Any] | None) -> list[str] | None:
    return None if values is None else ["" if value is None else str(value) for value in values]
