"""How long a request waits for its first token beside a number of sequences.

A request that arrives during an iteration waits for its rest, and its prompt then shares the
iterations with the backlog; both depend on the backlog that the iteration leaves behind. The
survival function of the sum is convolved on a grid of time; at single times it is summed up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fleetopt.queueing.backlog import Backlog
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.workload.lengths import Floats, Ints

BINS = 512
"""Points of the grid of TTFT; twice as many move its P99 by 0.3 % at most, over 80 drawn pools."""
_NOTHING = 1e-9
"""Probability of a backlog below which it is left out of a distribution."""


class _Placed(NamedTuple):
    """Times between two points of the grid: the lower one, and the part beyond it."""

    low: Ints
    part: Floats


@dataclass(frozen=True, eq=False)
class FirstToken:
    """The rest of an iteration and a prefill, by one chain.

    rate, replicas: arrivals per second in the pool. step_s: of the grid.
    """

    chain: Backlog
    rate: float
    replicas: int
    step_s: float

    @cached_property
    def late(self) -> Floats:
        """P(rest + prefill > t) at t = 0, 1, ..., 512 steps."""
        kept = self._kept()
        rests, prefill = np.diff(self._ended(kept), axis=1), self._prefill_mass(kept)
        with one_blas_thread():
            wave = np.fft.rfft(rests, 2 * BINS) * np.fft.rfft(prefill, 2 * BINS)
        density = np.fft.irfft(wave.sum(axis=0), 2 * BINS)[:BINS]
        late = 1.0 - np.concatenate(([0.0], np.cumsum(density)))
        return np.clip(late, 0.0, 1.0)

    def late_at(self, limit_s: float) -> float:
        """P(rest + prefill > limit), between two points of the grid; the others are left out.

        Unless all of them are known.
        """
        place = limit_s / self.step_s
        if not 0.0 <= place <= BINS:
            return float(place < 0.0)
        point = min(int(place), BINS - 1)
        is_known = "late" in self.__dict__
        before, after = self.late[point : point + 2] if is_known else self._late_beyond(point)
        return before + (place - point) * (after - before)

    def _late_beyond(self, point: int) -> tuple[float, float]:
        """P(rest + prefill > t) at a point of the grid and the next, from what is over by then."""
        kept = self._kept()
        low, part = self._placed(kept)
        ended, weights = self._ended(kept), self.chain.prefilling.weights
        last = ended.shape[1] - 1
        rows, left, flat = (last + 1) * np.arange(kept.size), point - low, ended.ravel()
        sooner, now, later = (
            flat.take(np.clip(left + more, 0, last) + rows) for more in (-1, 0, 1)
        )
        before = 1.0 - float((weights @ (now + part * (sooner - now))).sum())
        after = 1.0 - float((weights @ (later + part * (now - later))).sum())
        return min(max(before, 0.0), 1.0), min(max(after, 0.0), 1.0)

    def _kept(self) -> Ints:
        """Backlogs that are left behind, but for the unlikely ones."""
        spread, soon = self.chain.found()
        return np.flatnonzero((spread + soon) @ self.chain.moves > _NOTHING)

    def _ended(self, kept: Ints) -> Floats:
        """P(a backlog is left behind, and the rest is over) before each point, by backlog."""
        chain, spread_soon = self.chain, self.chain.found()
        points = min(np.ceil(chain.seconds.max() / self.step_s) + 1.0, BINS + 1.0)
        times: Floats = self.step_s * np.arange(points)
        with one_blas_thread():
            late = _rest_late(chain, times, self.rate, self.replicas, *spread_soon)
            rests = (late @ chain.moves[:, kept]).T
        ended: Floats = rests[:, :1] - rests
        return ended

    def _placed(self, kept: Ints) -> _Placed:
        """Where on the grid prefills lie, by cell and backlog."""
        place = np.minimum(self.chain.prefill_s[:, kept] / self.step_s, BINS - 1.001)
        low = place.astype(np.int64)
        return _Placed(low, place - low)

    def _prefill_mass(self, kept: Ints) -> Floats:
        """Mass of the prefill times by backlog and grid point, each between two points."""
        low, part = self._placed(kept)
        size = kept.size
        keys = (low + BINS * np.arange(size)[None, :]).ravel()
        mass = np.broadcast_to(self.chain.prefilling.weights[:, None], low.shape)
        flat = np.bincount(keys, (mass * (1.0 - part)).ravel(), BINS * size)
        flat += np.bincount(keys + 1, (mass * part).ravel(), BINS * size)
        table: Floats = flat.astype(np.float64).reshape(size, BINS)
        return table


def _rest_late(
    chain: Backlog, times: Floats, rate: float, replicas: int, spread: Floats, soon: Floats
) -> Floats:
    """P(the iteration found is of a kind and its rest is longer), by time and kind."""
    left = np.maximum(chain.seconds[None, :] - times[:, None], 0.0)
    evenly = left / chain.seconds[None, :]
    early = -np.expm1(-left / chain.delay_s(rate, replicas))
    late = evenly * spread + early * soon
    late[0] = spread + soon
    return late
