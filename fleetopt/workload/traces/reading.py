"""`read_trace`: the file's kind, its requests, and every bad line with its number."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleetopt.catalog import read_text
from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import MAX_TOKENS
from fleetopt.workload.arrivals import Floats
from fleetopt.workload.lengths import Ints
from fleetopt.workload.traces import benchmarks, logs
from fleetopt.workload.traces.columns import Columns
from fleetopt.workload.traces.trace import Trace, TraceFile, coded
from fleetopt.workload.traces.values import numbers, seconds

Reader = Callable[[str, Path, Mapping[str, str]], Columns]

FORMATS: dict[str, Reader] = {
    "azure": logs.read_csv,
    "csv": logs.read_csv,
    "jsonl": logs.read_jsonl,
    "vllm": benchmarks.read_vllm,
    "guidellm": benchmarks.read_guidellm,
}
"""Kinds of trace files by name; the first two differ in their usual headings only."""
MOST_SHOWN = 10
"""Bad lines that are described; the others are counted."""
Mask = NDArray[np.bool_]


def read_trace(
    path: Path | str,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    skip_bad_lines: bool = False,
) -> Trace:
    """The requests of a file, in the order of their arrival.

    format: one of FORMATS; told from the content if absent.
    columns: the file's own names, such as {"prompt": "tokens_in"}, for the fields time,
        prompt, output, model, category, session and prefix.
    skip_bad_lines: leave bad lines out, and count them in the trace's `files`.
    Raises InputError with the number of every bad line (the first ten described), if no
    format fits, and if no request is left.
    """
    text, source = read_text(Path(path))
    kind = _known(format) if format is not None else _recognized(text, source.path)
    found = FORMATS[kind](text, source.path, columns or {})
    times, unix_s = seconds(found.times) if found.times is not None else (None, None)
    prompt, output = numbers(found.prompt), numbers(found.output)
    prefix = numbers(found.prefix) if found.prefix is not None else None
    order = np.arange(len(found))
    if times is not None and not found.is_ordered:
        order = np.argsort(times, kind="stable")
    kept, bad = _good(found, times, prompt, output, prefix)
    if bad.any() and not skip_bad_lines:
        raise InputError(list(_faults(found, source.path, times, prompt, output, prefix, bad)))
    if not kept.any():
        raise InputError.single(str(source.path), "no request is in it")
    taken = order[kept[order]]
    arrival = times[taken] if times is not None else np.empty(0)
    start = float(arrival[0]) if arrival.size else 0.0
    model, model_names = _codes(found.model, taken)
    category, category_names = _codes(found.category, taken)
    session, session_names = _codes(found.session, taken)
    if session is not None and "" in session_names:
        session = np.where(session == session_names.index(""), -1, session)
    return Trace(
        arrival - start,
        prompt[taken].astype(np.int64),
        output[taken].astype(np.int64),
        model,
        model_names,
        category,
        category_names,
        session,
        None if prefix is None else prefix[taken].astype(np.int64),
        None if unix_s is None else unix_s + start,
        (TraceFile(source, kind, int(taken.size), int(bad.sum())),),
    )


def _known(format: str) -> str:
    if format not in FORMATS:
        raise InputError.single("format", f"unknown trace format {format!r}", near(format, FORMATS))
    return format


def _recognized(text: str, path: Path) -> str:
    """The kind of a file by its first line, or by the keys of its one object."""
    head = next((line for line in io.StringIO(text) if line.strip()), "")
    if not head.lstrip().startswith(("{", "[")):
        return "azure" if "ContextTokens" in head else "csv"
    if benchmarks.is_guidellm(text):
        return "guidellm"
    if benchmarks.is_vllm(text):
        return "vllm"
    if head.rstrip().endswith("}"):
        return "jsonl"
    hint = f"say which: {', '.join(FORMATS)}"
    raise InputError.single(str(path), "this is no trace of a known kind", hint)


def _good(
    found: Columns, times: Floats | None, prompt: Floats, output: Floats, prefix: Floats | None
) -> tuple[Mask, Mask]:
    """Which requests are good, and which are bad."""
    good = _is_count(prompt) & _is_count(output)
    if prefix is not None:
        good &= _is_count(prefix, least=0)
    if found.broken:
        good[list(found.broken)] = False
    if times is not None:
        good &= np.isfinite(times) & (times >= 0 if found.is_ordered else True)
        if found.is_ordered:
            good &= times >= _latest_before(times, good)
    return good, ~good


def _latest_before(times: Floats, good: Mask) -> Floats:
    """The latest good time before each request."""
    latest = np.maximum.accumulate(np.where(good, times, -np.inf))
    return np.concatenate(([-np.inf], latest[:-1]))


def _is_count(values: Floats, least: int = 1) -> Mask:
    with np.errstate(invalid="ignore"):
        whole: Mask = (values >= least) & (values <= MAX_TOKENS) & (np.floor(values) == values)
    return whole


def _faults(
    found: Columns,
    path: Path,
    times: Floats | None,
    prompt: Floats,
    output: Floats,
    prefix: Floats | None,
    bad: Mask,
) -> Iterator[Fault]:
    """The first bad lines, each with all that is wrong with it, and how many more there are."""
    indices = np.nonzero(bad)[0]
    latest = _latest_before(times, ~bad) if times is not None else None
    for i in indices[:MOST_SHOWN]:
        place = f"{path}, {found.unit} {found.places[i]}"
        yield Fault(
            place, "; ".join(_reasons(found, int(i), times, latest, prompt, output, prefix))
        )
    more = indices.size - MOST_SHOWN
    hint = "--skip-bad-lines leaves bad lines out and counts them"
    if more > 0:
        unit = f"{found.unit}s" if more > 1 else found.unit
        yield Fault(str(path), f"{more:,} more bad {unit} of {len(found):,}", hint)
    else:
        yield Fault(str(path), f"{indices.size:,} of {len(found):,} {found.unit}s are bad", hint)


def _reasons(
    found: Columns,
    i: int,
    times: Floats | None,
    latest: Floats | None,
    prompt: Floats,
    output: Floats,
    prefix: Floats | None,
) -> Iterator[str]:
    if i in found.broken:
        yield found.broken[i]
        return
    if times is not None and latest is not None and found.times is not None:
        name = found.names["time"]
        if not np.isfinite(times[i]):
            yield f"{name}: expected a time in seconds, got {found.times[i]!r:.60}"
        elif found.is_ordered and numbers([found.times[i]])[0] < 0:
            yield f"{name}: must be at least 0, got {found.times[i]}"
        elif found.is_ordered and times[i] < latest[i]:
            yield f"{name}: {found.times[i]} is earlier than a line before it; times must ascend"
    for field, values, stated in (
        ("prompt", prompt, found.prompt),
        ("output", output, found.output),
    ):
        if not _is_count(values[i : i + 1])[0]:
            text = f"expected a whole number in [1, {MAX_TOKENS}], got {stated[i]!r:.60}"
            yield f"{found.names[field]}: {text}"
    if prefix is not None and found.prefix and not _is_count(prefix[i : i + 1], least=0)[0]:
        text = f"expected a whole number in [0, {MAX_TOKENS}], got {found.prefix[i]!r:.60}"
        yield f"{found.names['prefix']}: {text}"


def _codes(values: list[str] | None, taken: Ints) -> tuple[Ints | None, tuple[str, ...]]:
    return (None, ()) if values is None else coded([values[i] for i in taken])
