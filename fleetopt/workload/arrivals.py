"""Arrival processes: times of requests over a horizon."""

from __future__ import annotations

import math
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


@dataclass(frozen=True, slots=True)
class ModulatedPoisson:
    """Poisson arrivals whose rate alternates between bursts and quiet times: an MMPP(2).

    burst_rate, quiet_rate: requests per second in either state.
    burst_s, quiet_s: mean time in either state, exponentially distributed, in seconds.
    Source: Heffes and Lucantoni, A Markov modulated characterization of packetized voice
    and data traffic, IEEE JSAC 4 (1986), for the two measures of burstiness.
    """

    burst_rate: float
    quiet_rate: float
    burst_s: float
    quiet_s: float

    @classmethod
    def of(
        cls, rate: float, dispersion: float, time_scale_s: float, burst_share: float | None = None
    ) -> ModulatedPoisson:
        """The process of a mean rate and a burstiness.

        dispersion: index of dispersion of counts over long windows, var N / E N; above 1.
        time_scale_s: time in which the rate forgets its state, 1 / (1 / burst_s + 1 / quiet_s).
        burst_share: share of the time in bursts; if absent, the one that leaves nothing for the
            quiet times, whose gaps have a squared coefficient of variation of `dispersion`.
        Raises ValueError where no such process exists.
        """
        if not (rate > 0 and dispersion > 1 and time_scale_s > 0):
            raise ValueError("expected a rate and a time scale above 0, and a dispersion above 1")
        scale = 2.0 * rate * time_scale_s
        most = scale / (dispersion - 1.0 + scale)
        share = most if burst_share is None else burst_share
        if not 0 < share <= most * (1.0 + 1e-9):
            raise ValueError(f"expected a burst share in (0, {most:.6g}], got {share:.6g}")
        spread = (rate * (dispersion - 1.0) / (2.0 * share * (1.0 - share) * time_scale_s)) ** 0.5
        return cls(
            burst_rate=rate + (1.0 - share) * spread,
            quiet_rate=max(0.0, rate - share * spread),
            burst_s=time_scale_s / (1.0 - share),
            quiet_s=time_scale_s / share,
        )

    @property
    def burst_share(self) -> float:
        """Share of the time in bursts."""
        return self.burst_s / (self.burst_s + self.quiet_s)

    @property
    def rate(self) -> float:
        """Mean arrival rate, in requests per second."""
        share = self.burst_share
        return share * self.burst_rate + (1.0 - share) * self.quiet_rate

    @property
    def cv2(self) -> float:
        """Squared coefficient of variation of the gaps in the long run."""
        ending, starting = 1.0 / self.burst_s, 1.0 / self.quiet_s
        high, low = self.burst_rate, self.quiet_rate
        joint = high * low + high * starting + low * ending
        return 1.0 + 2.0 * ending * starting * (high - low) ** 2 / (
            (ending + starting) ** 2 * joint
        )

    def dispersion(self, window_s: float = math.inf) -> float:
        """Index of dispersion of counts over windows of this length."""
        scale = 1.0 / (1.0 / self.burst_s + 1.0 / self.quiet_s)
        share = self.burst_share
        spread = (self.burst_rate - self.quiet_rate) ** 2
        limit = 2.0 * share * (1.0 - share) * spread * scale / self.rate
        if math.isinf(window_s):
            return 1.0 + limit
        return 1.0 + limit * (1.0 + math.expm1(-window_s / scale) * scale / window_s)

    def times(self, rng: np.random.Generator, horizon_s: float) -> Floats:
        """Ascending arrival times in [0, horizon_s), in seconds; it starts in the long run."""
        starts, lasts, rates = self._states(rng, horizon_s)
        counts = rng.poisson(rates * lasts)
        times = np.repeat(starts, counts) + rng.random(int(counts.sum())) * np.repeat(lasts, counts)
        return np.sort(times)

    def _states(self, rng: np.random.Generator, horizon_s: float) -> tuple[Floats, Floats, Floats]:
        """Start, length and rate of each stay in a state until the horizon."""
        first = int(rng.random() >= self.burst_share)
        cycle_s = self.burst_s + self.quiet_s
        ends = np.zeros(1)
        while ends[-1] < horizon_s:
            left = (horizon_s - float(ends[-1])) / cycle_s
            pairs = int(1.1 * left + 4.0 * left**0.5 + 8.0)
            means = [self.burst_s, self.quiet_s][:: -1 if first else 1]
            stays = rng.exponential(np.tile(means, pairs))
            ends = np.concatenate((ends, ends[-1] + np.cumsum(stays)))
        ends = np.append(ends[ends < horizon_s], horizon_s)
        rates = np.array([self.burst_rate, self.quiet_rate])[(first + np.arange(ends.size - 1)) % 2]
        return ends[:-1], np.diff(ends), rates
