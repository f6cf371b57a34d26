"""What a benchmark reports: figures with their targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Direction = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that a figure should keep."""

    direction: Direction
    value: float

    def holds(self, measured: float) -> bool:
        """Whether a measured value keeps the bound."""
        return measured >= self.value if self.direction == "at least" else measured <= self.value


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value."""

    name: str
    value: float
    unit: str
    target: Target | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target is kept; None without one."""
        return None if self.target is None else self.target.holds(self.value)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "holds": self.holds}


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing to measure.

    measure: yields figures; leaves those out whose peer is not installed.
    """

    name: str
    about: str
    measure: Callable[[], Iterable[Figure]]
