"""Prices and intensities by the hour, of which a year's figures take the mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from fleetopt.problem.faults import Stated

SERIES = {
    "electricity_usd_per_kwh": "electricity_series",
    "carbon_g_per_kwh": "carbon_series",
}
"""The key of the file behind each number that may be stated as one."""


class HourlySeries(Stated):
    """A file of values by the hour; its time-weighted mean is taken where a number is."""

    path: str = Field(min_length=1)
    """A CSV file with the columns hour and value; each value holds until the next row's hour."""
    sha256: str = ""
    """SHA-256 of the content that was averaged; filled in."""
    hours: float = Field(default=0.0, ge=0)
    """Hours that it covers; filled in."""
    mean: float | None = Field(default=None, ge=0)
    """Time-weighted mean; filled in."""
    least: float | None = Field(default=None, ge=0)
    """Least value; filled in."""
    most: float | None = Field(default=None, ge=0)
    """Largest value; filled in."""


def files_for_numbers(stated: Any) -> Any:
    """The keys of a problem with each number that is stated as a file under its series' key."""
    if not isinstance(stated, Mapping):
        return stated
    keys = dict(stated)
    for key, series in SERIES.items():
        if isinstance(keys.get(key), str):
            keys[series] = {"path": keys.pop(key)}
    return keys
