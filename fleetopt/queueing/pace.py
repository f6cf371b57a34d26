"""What a request meets in the iterations of a replica: its prefill, and the pace of its decode.

Its m decode iterations begin after the last of its prefill, among the prompts that arrived
meanwhile: three moments of the time of m iterations follow from the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.backlog import Backlog
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.first_token import BINS, FirstToken
from fleetopt.queueing.load import Moments
from fleetopt.workload.lengths import Floats

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
        grid: Floats = longest_s / BINS * np.arange(BINS + 1, dtype=np.float64)
        return grid

    @cached_property
    def first_tokens(self) -> list[FirstToken]:
        """The rest of the iteration and the prefill that a request meets."""
        step_s = float(self.grid_s[1])
        return [FirstToken(chain, self.rate, self.replicas, step_s) for chain in self.chains]

    def late(self, shares: Floats) -> Floats:
        """P(rest + prefill > t) on the grid, for weights of the rows."""
        used = np.flatnonzero(shares)
        curves = np.stack([self.first_tokens[i].late for i in used.tolist()])
        late: Floats = shares[used] @ curves
        return late

    def late_at(self, limit_s: float) -> Floats:
        """P(rest + prefill > limit), by row."""
        return np.array([first.late_at(limit_s) for first in self.first_tokens])

    def follow(self) -> None:
        """Work out the whole grid of every row, from which many limits are told at once."""
        for first in self.first_tokens:
            _ = first.late

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
