"""Power draw of a GPU over its batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetopt.problem import PowerCurve


@dataclass(frozen=True, slots=True)
class LogisticPower:
    """P(n) = idle + (nominal - idle) / (1 + exp(-k (log2 max(1, n) - x0))), in watts."""

    idle_w: float
    nominal_w: float
    steepness: float
    midpoint_log2: float
    quality: str
    source: str

    @classmethod
    def from_spec(cls, curve: PowerCurve) -> LogisticPower:
        """The curve of a catalogue entry."""
        return cls(**curve.model_dump())

    def watts(self, batch: float) -> float:
        """Draw of one GPU with `batch` active sequences."""
        exponent = -self.steepness * (math.log2(max(1.0, batch)) - self.midpoint_log2)
        return self.idle_w + (self.nominal_w - self.idle_w) / (1.0 + math.exp(exponent))
