"""One published figure beside what it is by other ways of computing it, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleetopt.plan import Interval

Kind = Literal["count", "usd", "percent", "ms", "ratio", "share", "yes", "rate", "watts", "batch"]
Value = float | bool | None

RELATIVE = 0.06
"""Relative difference up to which a published figure counts as reproduced."""
_ABSOLUTE: dict[Kind, float] = {
    "count": 1.0, "usd": 500.0, "percent": 0.5, "ms": 1.0, "ratio": 0.0, "share": 0.0006,
    "yes": 0.0, "rate": 0.5, "watts": 0.5, "batch": 0.0,
}  # fmt: skip
"""Half a unit of what is printed, or one GPU."""


@dataclass(frozen=True)
class Figure:
    """A published figure, computed again.

    row: which row of the table. quantity: its field. published: as printed.
    method: by the published method in exact arithmetic, or its simulator's middle seed;
        seeds: least and most of several seeds, where it is simulated.
    table: by fleetopt's table. simulated: by fleetopt's simulator, for the published fleet;
        a verdict in words where the figure is one.
    leeway: absolute difference that counts as none, beyond rounding: the price of a GPU.
    why: where figures differ, the reason.
    """

    scenario: str
    row: str
    quantity: str
    kind: Kind
    published: Value
    method: Value = None
    table: Value = None
    simulated: Interval | str | None = None
    seeds: tuple[float, float] | None = None
    leeway: float = 0.0
    why: str = ""

    @property
    def is_method(self) -> bool | None:
        """Whether the published method gives the figure; None if it has nothing to say."""
        if self.method is None or self.published is None:
            return None
        if self.seeds is not None:
            low, high = self.seeds
            return low * (1 - RELATIVE) <= self.published <= high * (1 + RELATIVE)
        return self._is_near(float(self.method))

    @property
    def is_true(self) -> bool | None:
        """Whether the simulator agrees with the figure; None where it was not asked.

        A percentile agrees if it is in the interval, or as near as a figure counts as the same.
        """
        if self.simulated is None or self.published is None:
            return None
        if isinstance(self.simulated, str):
            return (self.simulated == "pass") == bool(self.published)
        low, high = self.simulated.low, self.simulated.high
        if low is None or high is None:
            return False
        return low <= self.published <= high or self._is_near(low) or self._is_near(high)

    @property
    def verdict(self) -> str:
        """'reproduced', 'reproduced, but not so', 'differs', or 'not published'.

        Where no published formula gives the figure, the table decides.
        """
        if self.published is None:
            return "not published"
        if self.method is None and self.simulated is None:
            return (
                "reproduced" if self.table is not None and self._is_near(self.table) else "differs"
            )
        if self.is_method is False:
            return "differs"
        if self.is_true is False:
            return "reproduced, but not so" if self.is_method else "differs"
        return "reproduced"

    def _is_near(self, other: float) -> bool:
        published = float(self.published or 0.0)
        relative = 0.0 if self.kind == "batch" else RELATIVE * abs(published)
        return abs(other - published) <= max(relative, _ABSOLUTE[self.kind] + self.leeway) + 1e-9
