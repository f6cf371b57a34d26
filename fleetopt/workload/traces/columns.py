"""What a reader hands over: the fields of every request, as the file states them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetopt.errors import Fault, InputError, near

FIELDS = ("time", "prompt", "output", "model", "category", "session", "prefix")
"""What a request has, in fleetopt's words."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Fields of requests, one entry each, not judged yet.

    unit, places: what a request is in the file, such as 'line', and its number.
    times: None if the file has none. is_ordered: whether times have to ascend.
    session: what a request belongs to, empty for none; prefix: the tokens that it shares there.
    names: the file's name of each field. broken: requests that cannot be read, and why.
    """

    unit: str
    places: Sequence[int]
    names: Mapping[str, str]
    times: Sequence[Any] | None
    prompt: Sequence[Any]
    output: Sequence[Any]
    model: list[str] | None = None
    category: list[str] | None = None
    session: list[str] | None = None
    prefix: Sequence[Any] | None = None
    is_ordered: bool = True
    broken: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prompt)


def check_mapping(columns: Mapping[str, str]) -> None:
    """Raise InputError for a field that requests do not have."""
    faults = [
        Fault("columns", f"unknown field {name!r}", near(name, FIELDS))
        for name in columns
        if name not in FIELDS
    ]
    if faults:
        raise InputError(faults)
