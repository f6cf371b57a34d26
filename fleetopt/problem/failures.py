"""Failures and repairs of nodes as a user states them, and the availability that follows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated
from fleetopt.problem.times import UNIT_S, seconds_of


def node_availability(r_f_per_node_day: float, mttr_hours: float) -> float:
    """Share of the time that a node is up, 1 / (1 + r_f * MTTR).

    r_f_per_node_day: failures of a node in a day of operation, >= 0.
    mttr_hours: mean time to repair, in hours, >= 0.
    Raises ValueError for values below 0. Source: Kokolis et al., arXiv:2410.21680.
    """
    if not (r_f_per_node_day >= 0 and mttr_hours >= 0):
        raise ValueError("Expected a failure rate and a time to repair of at least 0.")
    return 1.0 / (1.0 + r_f_per_node_day * mttr_hours / 24.0)


AVAILABILITIES: Mapping[str, float] = MappingProxyType(
    {
        "A100_AVAIL_RSC1_FAST": node_availability(0.0065, 4.0),
        "A100_AVAIL_RSC1_SLOW": node_availability(0.0065, 48.0),
        "H100_AVAIL_5PCT": 0.95,
    }
)
"""Published availabilities by name: A100 nodes of the RSC-1 cluster, 6.5 failures in 1000
node-days, repaired in 4 h or in 48 h (Kokolis et al., arXiv:2410.21680), and H100 at scale, 5 %
more than needed (Cui et al., arXiv:2503.11901)."""


def availability_of(stated: Any) -> Any:
    """The availability that a name stands for; a number as it is.

    Raises FaultsError for a text that is neither.
    """
    if not isinstance(stated, str):
        return stated
    if stated.upper() in AVAILABILITIES:
        return AVAILABILITIES[stated.upper()]
    try:
        return float(stated)
    except ValueError:
        hint = f"a share such as 0.987, or one of {', '.join(AVAILABILITIES)}"
        text = f"expected a number, got {stated!r:.60}"
        raise FaultsError([Fault("", text, hint)]) from None


class FailureRates(Stated):
    """Failures and repairs of nodes; as a text, failures in a node-day and MTTR: '0.0065:4h'."""

    per_node_day: float = Field(ge=0, le=86_400)
    """Failures of a node in a day that it is up."""
    repair_s: float = Field(gt=0)
    """Mean time to repair, in seconds."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, stated: Any) -> Any:
        if not isinstance(stated, str):
            return stated
        rate, _, repair = stated.partition(":")
        try:
            return {"per_node_day": float(rate), "repair_s": seconds_of(repair)}
        except ValueError:
            wanted = "expected failures in a node-day and a time to repair, such as 0.0065:4h"
            raise ValueError(f"{wanted}, got {stated!r:.60}") from None

    @property
    def availability(self) -> float:
        """Share of the time that a node is up in the long run."""
        return node_availability(self.per_node_day, self.repair_s / 3600.0)

    @property
    def text(self) -> str:
        """The rates as a user writes them, such as '0.0065:48h'."""
        for unit in ("h", "m"):
            count = self.repair_s / UNIT_S[unit]
            if count >= 1 and float(f"{count:g}") == count:
                return f"{self.per_node_day:g}:{count:g}{unit}"
        return f"{self.per_node_day:g}:{self.repair_s:g}s"
