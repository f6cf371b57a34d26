"""Distributions of times on a grid: where mass lies, sums, and the chance to be late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetopt.queueing.latency import Metric
from fleetopt.workload.lengths import Floats


@dataclass(frozen=True, eq=False)
class LateCurve:
    """P(TTFT > t) at the points of a grid."""

    step_s: float
    late: Floats

    @classmethod
    def of(cls, mass: Floats, step_s: float) -> LateCurve:
        """From the probabilities of grid points."""
        late = 1.0 - np.cumsum(mass) / mass.sum()
        return cls(step_s, np.maximum.accumulate(late[::-1])[::-1])

    @property
    def mean_s(self) -> float:
        """Mean TTFT in seconds."""
        return self.step_s * float(self.late.sum())

    def exceedance(self, metric: Metric, limit_s: float) -> float:
        """P(TTFT > limit)."""
        place = limit_s / self.step_s
        return float(np.interp(place, np.arange(self.late.size), self.late, left=1.0, right=0.0))

    def percentile_s(self, metric: Metric, percentile: float) -> float:
        """The percentile of TTFT, in seconds."""
        allowed = 1.0 - percentile / 100.0
        after = int(np.argmax(self.late <= allowed))
        before = max(after - 1, 0)
        fall = float(self.late[before] - self.late[after])
        part = (float(self.late[before]) - allowed) / fall if fall > 0.0 else 1.0
        return self.step_s * (before + part)


def on_grid(seconds: Floats, weights: Floats, step_s: float, size: int) -> Floats:
    """Mass at grid points, each value between two of them so that the mean is kept."""
    place = np.clip(seconds / step_s, 0.0, size - 1.001)
    low = np.floor(place).astype(np.int64)
    part = place - low
    mass = np.zeros(size)
    np.add.at(mass, low, weights * (1.0 - part))
    np.add.at(mass, low + 1, weights * part)
    return mass


def convolved(one: Floats, other: Floats) -> Floats:
    """Mass of a sum on the grid; what is beyond its end is left out."""
    size = 2 * one.shape[-1]
    wave = np.fft.rfft(one, size) * np.fft.rfft(other, size)
    mass: Floats = np.maximum(np.fft.irfft(wave, size)[..., : size // 2], 0.0)
    return mass


def sums_of(one: Floats, most: int) -> Floats:
    """Mass of the sum of 0 .. most values."""
    size = one.size
    wave = np.fft.rfft(one, 2 * size)
    rows = np.zeros((most + 1, size))
    rows[0, 0] = 1.0
    for n in range(1, most + 1):
        rows[n] = np.maximum(
            np.fft.irfft(np.fft.rfft(rows[n - 1], 2 * size) * wave, 2 * size)[:size], 0.0
        )
        rows[n, -1] += max(0.0, 1.0 - float(rows[n].sum()))
    return rows
