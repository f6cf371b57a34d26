"""Refits the slope and the midpoint of a logistic power curve to measured draws.

With idle and nominal draw given, y = k log2 max(1, n) + b is the exponent of

    P(n) = idle + (nominal - idle) / (1 + exp(-y)),   x0 = -b / k,

and (k, b) are those of the least squares of P(n_i) - watts_i. In (k, b) a flat measurement is an
ordinary point, where x0 would run away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.performance.power import LogisticPower, PowerModel

LEAST_STEEPNESS = 1e-6
"""A draw that does not rise with the batch is fitted with this slope."""
_INSIDE = 0.02
"""How far from its ends, as a share of the range, a draw is put for the first guess."""


@dataclass(frozen=True)
class PowerFit:
    """A refitted curve and how far it is from what was measured.

    points: (batch, watts). errors_w: of the curve at each, less the measured draw.
    before_w: the same of the curve that it replaces; empty without one.
    """

    curve: LogisticPower
    points: tuple[tuple[float, float], ...]
    errors_w: tuple[float, ...]
    before_w: tuple[float, ...]

    @property
    def rms_w(self) -> float:
        """Root mean square error, in watts."""
        return rms(self.errors_w)

    @property
    def worst_w(self) -> float:
        """Largest error, in watts."""
        return float(np.abs(self.errors_w).max())


def fit_power(
    points: Sequence[tuple[float, float]],
    idle_w: float,
    nominal_w: float,
    before: PowerModel | None = None,
) -> PowerFit:
    """The logistic curve between two draws that is nearest to (batch, watts) pairs.

    before: the curve to compare with. Raises ValueError for fewer than two different batches, or
    ends that are not in order.
    """
    from scipy.optimize import least_squares

    if len({batch for batch, _ in points}) < 2:
        raise ValueError("Expected at least two different batches.")
    if not 0.0 <= idle_w < nominal_w:
        raise ValueError("Expected 0 <= idle_w < nominal_w.")
    batch, watts = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    doublings = np.log2(np.maximum(1.0, batch))
    span = nominal_w - idle_w

    def errors(unknown: np.ndarray) -> np.ndarray:
        exponent = np.clip(unknown[0] * doublings + unknown[1], -700.0, 700.0)
        drawn: np.ndarray = idle_w + span / (1.0 + np.exp(-exponent)) - watts
        return drawn

    share = np.clip((watts - idle_w) / span, _INSIDE, 1.0 - _INSIDE)
    slope, offset = np.polyfit(doublings, np.log(share / (1.0 - share)), 1)
    start = [max(slope, 2.0 * LEAST_STEEPNESS), offset]
    found = least_squares(errors, start, bounds=([LEAST_STEEPNESS, -np.inf], np.inf))
    k, b = (float(x) for x in found.x)
    curve = LogisticPower(idle_w, nominal_w, k, -b / k, "FAIR", "")
    return PowerFit(
        curve=replace(curve, source=f"fitted to {len(points)} measurements"),
        points=tuple((float(n), float(w)) for n, w in points),
        errors_w=tuple(curve.watts(n) - w for n, w in points),
        before_w=() if before is None else tuple(before.watts(n) - w for n, w in points),
    )


def rms(errors: Sequence[float]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(errors))))
