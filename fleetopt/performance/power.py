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

    def largest_batch(self, watts: float) -> int:
        """The most sequences that draw at most `watts`; 0 if one draws more.

        The curve solved for n; the nominal draw is never reached, so that from there on any
        batch does. Raises OverflowError for it.
        """
        if self.watts(1) > watts:
            return 0
        if watts >= self.nominal_w:
            raise OverflowError("Expected less than the nominal draw, which no batch reaches.")
        odds = (self.nominal_w - self.idle_w) / (watts - self.idle_w) - 1.0
        batch: float = 2.0 ** (self.midpoint_log2 - math.log(odds) / self.steepness)
        nearest = round(batch)
        return nearest if nearest >= 1 and self.watts(nearest) <= watts else math.floor(batch)


def projected_power(tdp_w: float) -> LogisticPower:
    """A curve for a GPU that nobody measured: the H100's, scaled by the largest draw.

    The H100 of 700 W idles between batches at 300 W and approaches 600 W (ML.ENERGY v3.0,
    arXiv:2601.22076).
    """
    return LogisticPower(
        idle_w=tdp_w * 3.0 / 7.0,
        nominal_w=tdp_w * 6.0 / 7.0,
        steepness=1.0,
        midpoint_log2=4.2,
        quality="LOW",
        source="projected from the H100's shares of its largest draw (arXiv:2601.22076)",
    )
