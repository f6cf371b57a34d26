"""Arrivals whose rate follows a clock: piecewise constant or piecewise linear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.workload.arrivals import Floats


@dataclass(frozen=True, eq=False)
class TimeVarying:
    """Poisson arrivals with a rate that varies over time, and repeats after its last edge.

    edges_s: ascending from 0, one more than there are pieces.
    start_rates, end_rates: the rate at both ends of each piece, in requests per second; it is
        linear in between.
    """

    edges_s: Floats
    start_rates: Floats
    end_rates: Floats

    def __post_init__(self) -> None:
        rates = np.concatenate((self.start_rates, self.end_rates))
        if not (self.start_rates.size == self.end_rates.size == self.edges_s.size - 1 > 0):
            raise ValueError("expected one edge more than there are rates")
        if self.edges_s[0] != 0 or not (np.diff(self.edges_s) > 0).all():
            raise ValueError("expected edges that ascend from 0")
        if not ((rates >= 0).all() and np.isfinite(rates).all() and rates.any()):
            raise ValueError("expected finite rates of at least 0, and one above 0")

    @classmethod
    def steps(cls, edges_s: Sequence[float], rates: Sequence[float]) -> TimeVarying:
        """A constant rate between neighbouring edges."""
        heights = np.asarray(rates, dtype=np.float64)
        return cls(np.asarray(edges_s, dtype=np.float64), heights, heights)

    @classmethod
    def linear(cls, times_s: Sequence[float], rates: Sequence[float]) -> TimeVarying:
        """Straight lines through (time, rate)."""
        heights = np.asarray(rates, dtype=np.float64)
        return cls(np.asarray(times_s, dtype=np.float64), heights[:-1], heights[1:])

    @property
    def period_s(self) -> float:
        """Time after which the rate repeats."""
        return float(self.edges_s[-1])

    @property
    def rate(self) -> float:
        """Mean arrival rate over a period, in requests per second."""
        return float(self._expected[-1]) / self.period_s

    @cached_property
    def _expected(self) -> Floats:
        """Expected arrivals up to each edge."""
        pieces = np.diff(self.edges_s) * (self.start_rates + self.end_rates) / 2.0
        return np.concatenate(([0.0], np.cumsum(pieces)))

    def expected(self, time_s: float) -> float:
        """Expected arrivals in [0, time_s)."""
        periods, rest = divmod(time_s, self.period_s)
        piece = int(np.searchsorted(self.edges_s, rest, side="right")) - 1
        into = rest - float(self.edges_s[piece])
        width = float(self.edges_s[piece + 1] - self.edges_s[piece])
        rise = float(self.end_rates[piece] - self.start_rates[piece]) * into / width
        part = into * (float(self.start_rates[piece]) + rise / 2.0)
        return float(periods * self._expected[-1] + self._expected[piece] + part)

    def times(self, rng: np.random.Generator, horizon_s: float) -> Floats:
        """Ascending arrival times in [0, horizon_s), in seconds.

        Exact, by a change of time: a Poisson process of rate 1 over the expected arrivals,
        taken back through their inverse (Cinlar, Introduction to Stochastic Processes, 1975).
        """
        whole = self.expected(horizon_s)
        times = self._when(np.sort(rng.random(rng.poisson(whole)) * whole))
        return times[times < horizon_s]

    def _when(self, expected: Floats) -> Floats:
        """The time at which so many arrivals are expected."""
        periods, rest = np.divmod(expected, self._expected[-1])
        last = self.start_rates.size - 1
        piece = np.minimum(np.searchsorted(self._expected, rest, side="right") - 1, last)
        left = rest - self._expected[piece]
        start = self.start_rates[piece]
        slope = ((self.end_rates - self.start_rates) / np.diff(self.edges_s))[piece]
        root = np.sqrt(np.maximum(start**2 + 2.0 * slope * left, 0.0))
        into = 2.0 * left / np.maximum(start + root, 1e-300)
        into = np.minimum(into, np.diff(self.edges_s)[piece])
        times: Floats = periods * self.period_s + self.edges_s[piece] + into
        return times
