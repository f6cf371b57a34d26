"""Files of values by the hour, averaged over the time for which each holds."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from fleetopt.catalog.files import SourceFile, find_file, read_text
from fleetopt.errors import Fault, InputError
from fleetopt.problem import HourlySeries

COLUMNS = ("hour", "value")
_MOST = 1e6
_ENOUGH_FAULTS = 10


def read_series(name: str, beside: Path | None = None) -> tuple[HourlySeries, SourceFile]:
    """A CSV file with the columns hour and value, averaged.

    Hours ascend; each value holds until the next row's hour, the last as long as the one before
    it, and a single one for an hour. Raises InputError with every bad row by its line.
    """
    path = find_file(name, beside)
    text, source = read_text(path, "CSV")
    hours, values = _points(path, text)
    lasts = [after - hour for hour, after in pairwise(hours)]
    lasts.append(lasts[-1] if lasts else 1.0)
    covered = math.fsum(lasts)
    mean = math.fsum(v * h for v, h in zip(values, lasts, strict=True)) / covered
    series = HourlySeries(
        path=str(path), sha256=source.sha256, hours=covered, mean=mean, least=min(values),
        most=max(values),
    )  # fmt: skip
    return series, source


def _points(path: Path, text: str) -> tuple[list[float], list[float]]:
    """Hours and values. Raises InputError."""
    reader = csv.reader(io.StringIO(text))
    header = [name.strip().lower() for name in next(reader, [])]
    if header != list(COLUMNS):
        said = ",".join(header) or "nothing"
        text = f"expected the columns {','.join(COLUMNS)}, got {said:.60}"
        raise InputError.single(f"{path}, line 1", text)
    hours, values, faults = list[float](), list[float](), list[Fault]()
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        place = f"{path}, line {reader.line_num}"
        numbers = _numbers(row)
        faults += [Fault(place, said) for said in _wrong(row, numbers, hours)]
        if numbers is not None:
            hours.append(numbers[0])
            values.append(numbers[1])
    if not faults and not hours:
        faults.append(Fault(str(path), "expected at least one row of hour,value"))
    if len(faults) > _ENOUGH_FAULTS:
        more = len(faults) - _ENOUGH_FAULTS
        faults = [*faults[:_ENOUGH_FAULTS], Fault(str(path), f"{more} more rows are wrong")]
    if faults:
        raise InputError(faults)
    return hours, values


def _numbers(row: Sequence[str]) -> tuple[float, float] | None:
    try:
        hour, value = (float(cell) for cell in row)
    except ValueError:
        return None
    return (hour, value) if math.isfinite(hour) and math.isfinite(value) else None


def _wrong(
    row: Sequence[str], numbers: tuple[float, float] | None, hours: Sequence[float]
) -> Iterator[str]:
    """What is wrong with a row, after the rows before it."""
    if numbers is None:
        yield f"expected an hour and a value, two numbers, got {','.join(row)!r:.60}"
        return
    hour, value = numbers
    if hours and hour <= hours[-1]:
        yield f"expected an hour after {hours[-1]:g}, got {hour:g}"
    if not 0.0 <= value <= _MOST:
        yield f"expected a value from 0 to {_MOST:g}, got {value:g}"
