"""Arrival processes: times of requests over a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ArrivalProcess(Protocol):
    """Anything that can draw arrival times."""

    @property
    def rate(self) -> float:
        """Mean arrival rate, in requests per second."""
        ...

    def times(self, rng: np.random.Generator, horizon_s: float) -> Floats:
        """Ascending arrival times in [0, horizon_s), in seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Poisson:
    """Poisson arrivals of a constant rate, in requests per second."""

    rate: float

    def times(self, rng: np.random.Generator, horizon_s: float) -> Floats:
        """Ascending arrival times in [0, horizon_s), in seconds."""
        count = rng.poisson(self.rate * horizon_s)
        return np.sort(rng.random(count) * horizon_s)


@dataclass(frozen=True, slots=True)
class Gamma:
    """Renewal arrivals with Gamma gaps.

    cv2: squared coefficient of variation of the gaps; 1 is Poisson, more is burstier.
    """

    rate: float
    cv2: float

    def times(self, rng: np.random.Generator, horizon_s: float) -> Floats:
        """Ascending arrival times in [0, horizon_s), in seconds."""
        mean_count = self.rate * horizon_s
        pieces: list[Floats] = []
        last = 0.0
        while last < horizon_s:
            size = int(mean_count * 0.1 + 4 * np.sqrt(mean_count * max(1.0, self.cv2)) + 16)
            if not pieces:
                size += int(mean_count)
            gaps = rng.gamma(1.0 / self.cv2, self.cv2 / self.rate, size)
            pieces.append(last + np.cumsum(gaps))
            last = float(pieces[-1][-1])
        times = np.concatenate(pieces)
        return times[times < horizon_s]
