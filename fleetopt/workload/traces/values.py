"""Columns of a trace as numbers: every value that is none is found, none is guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleetopt.workload.arrivals import Floats

UNIX_FROM_S = 1e8
"""Times from here on are Unix times; smaller ones count from the start of a recording."""
_UNIX_BELOW_S = 1e11
"""Times from here on are no seconds, but milliseconds or less."""
_LOOKED_AT = 20
"""Values that tell whether a column holds numbers or dates."""
_INSTANT = re.compile(
    r"(?:19[7-9]\d|2[01]\d\d)-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?"
)
_UTC = ("Z", "+00:00", "+0000", "-00:00", "-0000")


def numbers(values: Sequence[Any]) -> Floats:
    """Values as float64; NaN where one is no number."""
    try:
        if not any(isinstance(value, bool) for value in values):
            column = np.array(values, dtype=np.float64)
            if column.shape == (len(values),):
                return column
    except (ValueError, TypeError, OverflowError):
        pass
    return np.array([_number(value) for value in values], dtype=np.float64)


def seconds(values: Sequence[Any]) -> tuple[Floats, float | None]:
    """Times in seconds, and the Unix time of their zero if they tell it; NaN where one is none.

    Values are numbers of seconds, or dates with a time of day; a date without an offset
    is taken as UTC.
    """
    if not any(_matched(value) for value in values[:_LOOKED_AT]):
        times = numbers(values)
        times[times >= _UNIX_BELOW_S] = np.nan
        stated = times[np.isfinite(times)]
        if stated.size and stated[0] >= UNIX_FROM_S:
            return times - stated[0], float(stated[0])
        return times, None
    ticks = _instants(values)
    known = ~np.isnat(ticks)
    zero = ticks[known][0] if known.any() else np.datetime64(0, "ns")
    times = np.full(ticks.size, np.nan)
    times[known] = (ticks[known] - zero).astype(np.int64) / 1e9
    return times, float(zero.astype(np.int64)) / 1e9


def _instants(values: Sequence[Any]) -> NDArray[np.datetime64]:
    """Dates with a time of day, to the nanosecond; NaT where a value is none."""
    matches = [_matched(value) for value in values]
    if all(match and (match[1] is None or match[1] in _UTC) for match in matches):
        texts = [match[0].removesuffix(match[1] or "") for match in matches if match]
        try:
            return np.array(texts, dtype="datetime64[ns]")
        except ValueError:
            pass
    return np.array([_instant(match) for match in matches], dtype="datetime64[ns]")


def _matched(value: Any) -> re.Match[str] | None:
    return _INSTANT.fullmatch(value.strip()) if isinstance(value, str) else None


def _instant(match: re.Match[str] | None) -> np.datetime64:
    if match is None:
        return np.datetime64("NaT", "ns")
    offset = match[1] or ""
    try:
        stated = np.datetime64(match[0].removesuffix(offset), "ns")
        if offset in ("", *_UTC):
            return stated
        east = datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").utcoffset()
    except ValueError:
        return np.datetime64("NaT", "ns")
    assert east is not None
    return stated - np.timedelta64(int(east.total_seconds()), "s")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def clock(unix_s: float) -> str:
    """A Unix time as a date with a time of day in UTC."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
