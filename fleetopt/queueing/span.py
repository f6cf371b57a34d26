"""A grid of backlogs, how a chain moves between them, and where it is in its steady state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from fleetopt.queueing.prefilling import Prefilling
from fleetopt.workload.lengths import Floats, Ints

Waves = NDArray[np.complex128]
STATES = 128
"""Backlogs of the chain."""
_SIZE = 2 * STATES
"""Points of the Fourier transforms."""
_EVENLY = 1e-13
"""Relative difference of steps that count as equal."""


@dataclass(frozen=True, eq=False)
class Span:
    """Evenly spaced backlogs from 0 tokens on.

    tokens: the backlogs at the start of an iteration. seconds: of the iteration.
    left: how many steps of the grid it leaves over.
    """

    prefilling: Prefilling
    tokens: Floats
    seconds: Floats
    left: Ints

    def moves(self, arrivals: Floats) -> Floats:
        """Probabilities of the next backlog (columns); arrivals: expected in each iteration.

        What would leave the grid stays at its last state.
        """
        changes = np.concatenate(([True], arrivals[1:] != arrivals[:-1]))
        padded = np.zeros((np.count_nonzero(changes), _SIZE))
        padded[:, STATES:] = self._added(arrivals[changes])
        row = np.cumsum(changes) - 1
        moves: Floats = padded.ravel().take(self._places + _SIZE * row[:, None])
        within = moves.sum(axis=1)
        moves[:, -1] += np.maximum(0.0, 1.0 - within)
        moves /= np.maximum(1.0, within)[:, None]
        return moves

    def _added(self, arrivals: Floats) -> Floats:
        """Distributions of the tokens that arrive: compound Poisson, a row for each mean."""
        rows = np.fft.irfft(_exponentials(arrivals, self._wave), _SIZE)[:, :STATES]
        added: Floats = np.maximum(rows, 0.0)
        return added

    @cached_property
    def _wave(self) -> Waves:
        """Transform of the pieces of one request, less that of none."""
        place = self.prefilling.pieces / self.tokens[1]
        low = np.floor(place).astype(np.int64)
        part, weights = place - low, self.prefilling.piece_weights
        one = np.bincount(low, weights * (1.0 - part), _SIZE)
        one += np.bincount(low + 1, weights * part, _SIZE)
        wave: Waves = np.fft.rfft(one[:_SIZE]) - weights.sum()
        return wave

    @cached_property
    def _places(self) -> Ints:
        """Where each move is in a row that has as many zeros before what arrives."""
        places: Ints = (STATES - self.left)[:, None] + np.arange(STATES)
        return places


@lru_cache(maxsize=16)
def span(prefilling: Prefilling, active: float, largest: float) -> Span:
    """The grid up to `largest` tokens, a budget being a multiple of its step.

    The last one is asked for again and again, with other arrivals.
    """
    budget = prefilling.budget(active)
    step = largest / (STATES - 1)
    if not math.isinf(budget):
        step = budget / max(1.0, math.floor(budget / step))
    tokens = step * np.arange(STATES, dtype=np.float64)
    taken: Floats = np.minimum(tokens, budget)
    seconds = prefilling.seconds(prefilling.decode_s(active), taken)
    left = np.rint((tokens - taken) / step).astype(np.int64)
    return Span(prefilling, tokens, seconds, left)


def stationary(moves: Floats) -> Floats:
    """Probabilities of the states of a chain in its steady state."""
    balance = moves.copy()
    balance.ravel()[:: STATES + 1] -= 1.0
    balance[:, -1] = 1.0
    right = np.zeros(STATES)
    right[-1] = 1.0
    found = np.maximum(np.linalg.solve(balance.T, right), 0.0)
    probabilities: Floats = found / found.sum()
    return probabilities


def _exponentials(arrivals: Floats, wave: Waves) -> Waves:
    """exp(arrivals * wave), a row for each; by products where the arrivals are evenly spaced.

    All but the first of them are: iterations grow by the same time with every step of backlog.
    """
    rows: Waves = np.empty((arrivals.size, wave.size), dtype=np.complex128)
    steps = np.diff(arrivals[1:])
    if steps.size < 2 or np.ptp(steps) > _EVENLY * arrivals[-1]:
        rows[:] = np.exp(arrivals[:, None] * wave)
        return rows
    rows[:2] = np.exp(arrivals[:2, None] * wave)
    even, known, step = rows[1:], 1, (arrivals[-1] - arrivals[1]) / steps.size
    while known < len(even):
        more = min(known, len(even) - known)
        factor = np.exp(known * step * wave)
        np.multiply(even[:more], factor, out=even[known : known + more])
        known += more
    return rows
