"""What a request meets in the iterations of a replica: its prefill, and the pace of its decode.

A request that arrives during an iteration waits for its rest, and its prompt then shares the
iterations with the backlog; the survival function of the sum is convolved on a grid of time.
Its m decode iterations begin after the last of those, among the prompts that arrived meanwhile:
three moments of the time of m iterations follow from the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.backlog import Backlog
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.load import Moments
from fleetopt.workload.lengths import Floats

_BINS = 512
"""Points of the grid of TTFT; twice as many move its P99 by 0.3 % at most, over 80 drawn pools."""
_NOTHING = 1e-9
"""Probability of a backlog below which it is left out of a distribution."""
_LONG = 48
"""Decode iterations from which the cumulants of their sum grow by a straight line."""


@dataclass(frozen=True, eq=False)
class Pace:
    """What a request finds at some numbers of sequences beside it, one row each.

    chains: at ascending numbers of sequences. rate, replicas: arrivals per second in the pool.
    """

    chains: Sequence[Backlog]
    rate: float
    replicas: int

    @cached_property
    def beside(self) -> Floats:
        """Numbers of sequences beside a request."""
        return np.array([chain.active for chain in self.chains])

    @cached_property
    def grid_s(self) -> Floats:
        """Times at which `late` is known, evenly spaced from 0."""
        longest_s = max(float(c.prefill_s.max() + c.seconds.max()) for c in self.chains)
        grid: Floats = longest_s / _BINS * np.arange(_BINS + 1, dtype=np.float64)
        return grid

    @cached_property
    def late(self) -> Floats:
        """P(rest + prefill > t) on the grid."""
        step = float(self.grid_s[1])
        with one_blas_thread():
            late = [_late(chain, self.rate, self.replicas, step) for chain in self.chains]
        return np.stack(late)

    @cached_property
    def prefill_s(self) -> Floats:
        """Mean time from arrival to the end of prefill, by cell."""
        return np.stack([chain.arrival_s(self.rate, self.replicas) for chain in self.chains])

    @cached_property
    def decode(self) -> Moments:
        """Moments by cell of the time of a decode iteration averaged over a request's output."""
        with one_blas_thread():
            decode = [_decode_moments(chain) for chain in self.chains]
        return Moments(*(np.stack(parts) for parts in zip(*decode, strict=True)))

    @cached_property
    def felt(self) -> Floats:
        """Share of the iterations that contexts lengthen."""
        return np.array([chain.decode_share for chain in self.chains])

    def shares(self, beside: Floats) -> Floats:
        """Weights of the rows for numbers of sequences between them, one row each."""
        if self.beside.size == 1:
            return np.ones((beside.size, 1))
        last = self.beside.size - 1
        place = np.interp(beside, self.beside, np.arange(last + 1.0))
        low = np.minimum(place.astype(np.int64), last - 1)
        weights = np.zeros((beside.size, last + 1))
        rows = np.arange(beside.size)
        weights[rows, low] = 1.0 - (place - low)
        weights[rows, low + 1] = place - low
        return weights


def _late(chain: Backlog, rate: float, replicas: int, step: float) -> Floats:
    """P(rest + prefill > t) on the grid."""
    spread, soon = chain.found()
    kept = np.flatnonzero((spread + soon) @ chain.moves > _NOTHING)
    times: Floats = step * np.arange(np.ceil(chain.seconds.max() / step) + 1.0)
    rests = _rest_late(chain, times, rate, replicas, spread, soon) @ chain.moves[:, kept]
    ended = np.zeros((kept.size, _BINS))
    ended[:, : times.size - 1] = (rests[:-1] - rests[1:]).T[:, :_BINS]
    prefill = _on_grid(chain.prefill_s[:, kept], chain.prefilling.weights, step)
    wave = np.fft.rfft(ended, 2 * _BINS) * np.fft.rfft(prefill, 2 * _BINS)
    density = np.fft.irfft(wave.sum(axis=0), 2 * _BINS)[:_BINS]
    late = 1.0 - np.concatenate(([0.0], np.cumsum(density)))
    return np.clip(late, 0.0, 1.0)


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


def _on_grid(seconds: Floats, weights: Floats, step: float) -> Floats:
    """Mass of the prefill times by backlog and grid point, each between two points."""
    place = np.minimum(seconds / step, _BINS - 1.001)
    low = place.astype(np.int64)
    part, size = place - low, seconds.shape[1]
    keys = (low + _BINS * np.arange(size)[None, :]).ravel()
    mass = np.broadcast_to(weights[:, None], seconds.shape)
    flat = np.bincount(keys, (mass * (1.0 - part)).ravel(), _BINS * size)
    flat += np.bincount(keys + 1, (mass * part).ravel(), _BINS * size)
    table: Floats = flat.astype(np.float64).reshape(size, _BINS)
    return table


def _decode_moments(chain: Backlog) -> tuple[Floats, Floats, Floats]:
    """Moments by cell of the mean of `output` iterations after a request's prefill."""
    outputs = chain.prefilling.outputs
    spread, soon = chain.found()
    at_next = (spread + soon) @ chain.moves
    counts = np.maximum(np.rint(outputs), 1.0)
    sums = _sums(chain, min(_LONG, int(counts.max())))
    begun = _begun(chain, at_next) @ chain.moves
    known = np.moveaxis(sums @ begun.T, 1, 0)
    cumulants = np.stack(Moments.of_raw(*known))
    last = cumulants.shape[1]
    place = np.minimum(counts, last).astype(np.int64) - 1
    cells = np.arange(counts.size)
    kept = cumulants[:, place, cells]
    if last == _LONG:
        growth = (cumulants[:, -1] - cumulants[:, last // 2 - 1]) / (last - last // 2)
        kept = kept + growth * np.maximum(counts - last, 0.0)
    mean, variance, third = kept
    return mean / counts, np.maximum(variance, 0.0) / counts**2, third / counts**3


def _begun(chain: Backlog, at_next: Floats) -> Floats:
    """Backlog at the start of a request's last prefill iteration, itself included, by cell."""
    prefilling = chain.prefilling
    ahead = chain.tokens[None, :] + prefilling.prompts[:, None]
    budget = prefilling.budget(chain.active)
    if np.isfinite(budget):
        ahead = ahead - np.maximum(np.ceil(ahead / budget - 1e-9) - 1.0, 0.0) * budget
    size = chain.tokens.size
    place = np.minimum(np.rint(ahead / chain.tokens[1]).astype(np.int64), size - 1)
    rows = np.arange(prefilling.prompts.size)[:, None]
    mass = np.broadcast_to(at_next, place.shape)
    flat = np.bincount((rows * size + place).ravel(), mass.ravel(), place.shape[0] * size)
    table: Floats = flat.astype(np.float64).reshape(place.shape)
    return table


def _sums(chain: Backlog, most: int) -> Floats:
    """Raw moments of the time of 1 .. most iterations, by the backlog at their start.

    With S the time of one iteration fewer: E[(tau + S)^p] from those of S at the next backlog.
    """
    tau = chain.seconds
    raw = np.zeros((3, tau.size))
    sums = np.empty((most, 3, tau.size))
    for m in range(most):
        first, second, third = raw @ chain.moves.T
        raw = np.stack(
            (
                tau + first,
                tau**2 + 2.0 * tau * first + second,
                tau**3 + 3.0 * tau**2 * first + 3.0 * tau * second + third,
            )
        )
        sums[m] = raw
    return sums
