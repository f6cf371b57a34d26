"""A replica that prefills a batch of prompts, each by a chunk in an iteration.

From iteration to iteration the number of prompts n is a Markov chain: min(n, s) of them are in the
batch, each ends with chance 1 / E[v], and as many arrive in tau(n) as a pure birth process at the
rates of the router. A prompt of v chunks that finds k others takes v iterations among them; two
moments of that time follow from the chain seen by the prompt. Before it, the prompts ahead of it
beyond the slots have to end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.workload.lengths import Floats

_PARTS = 16
"""Parts of an iteration in which arrivals fall."""


@dataclass(frozen=True, eq=False)
class ChunkServer:
    """The chain of one replica.

    rates: lambda_n for n = 0 .. last. tau: seconds of an iteration of n prompts, for the same n.
    slots: most prompts of a batch. end: chance that a prompt of the batch ends in an iteration.
    """

    rates: Floats
    tau: Floats
    slots: int
    end: float

    @cached_property
    def _ending(self) -> Floats:
        """Chances that d of min(n, s) prompts end, rows by n."""
        most = min(self.slots, self.rates.size - 1)
        rows = np.stack([_binomial(k, self.end, most) for k in range(most + 1)])
        return rows[np.minimum(np.arange(self.rates.size), most)]

    def _after(self, before: Floats) -> Floats:
        """Rows by n in the batch, columns what is there: after those that end have left."""
        after = np.zeros_like(before)
        for d in range(self._ending.shape[1]):
            after[:, : before.shape[1] - d] += self._ending[:, d, None] * before[:, d:]
        return after

    @cached_property
    def _passing(self) -> tuple[Floats, Floats]:
        """What is there at the end of an iteration begun with n; arrivals by part, n and found."""
        state = np.eye(self.rates.size)
        part_s = self.tau[:, None] / _PARTS
        found = np.empty((_PARTS, *state.shape))
        for i in range(_PARTS):
            middle = _births(state, self.rates, 0.5 * part_s)
            found[i] = middle * self.rates * part_s
            state = _births(middle, self.rates, 0.5 * part_s)
        return state, found

    @cached_property
    def begins(self) -> tuple[Floats, float]:
        """Share of iterations begun with n prompts, and of those that leave nobody."""
        moves = self._after(self._passing[0])
        idle = moves[1:, 0].copy()
        chain = moves[1:, 1:].copy()
        chain[:, 0] += idle
        chain /= chain.sum(axis=1, keepdims=True)
        balance = chain.T - np.eye(chain.shape[0])
        balance[-1] = 1.0
        right = np.zeros(chain.shape[0])
        right[-1] = 1.0
        shares = np.maximum(np.linalg.solve(balance, right), 0.0)
        shares /= shares.sum()
        return np.append(0.0, shares), float(shares @ idle)

    @cached_property
    def arrivals(self) -> tuple[Floats, Floats, float]:
        """Arrivals by the rest of the iteration (rows) and those ahead: seconds, and chances.

        Last: the chance to find nobody.
        """
        shares, idle = self.begins
        _, found = self._passing
        busy = np.flatnonzero(shares > 1e-7)
        rest = 1.0 - (np.arange(_PARTS) + 0.5) / _PARTS
        seconds, chances = [], []
        for i in range(_PARTS):
            ahead = self._after(found[i])
            seconds.append(self.tau[busy] * rest[i])
            chances.append(ahead[busy] * shares[busy, None])
        mass = np.concatenate(chances)
        whole = float(mass.sum()) + idle
        return np.concatenate(seconds), mass / whole, idle / whole

    @cached_property
    def _others(self) -> tuple[Floats, Floats]:
        """From k others to as many at the next iteration; and what come before the first."""
        size = self.rates.size
        beside = np.minimum(np.arange(size), self.slots - 1)
        tau = self.tau[np.minimum(beside + 1, size - 1)][:, None]
        rates = np.append(self.rates[1:], self.rates[-1])
        state = np.eye(size)
        for _ in range(_PARTS):
            state = _births(state, rates, tau / _PARTS)
        half = np.eye(size)
        for _ in range(_PARTS):
            half = _births(half, rates, 0.5 * tau / _PARTS)
        after = np.zeros_like(state)
        for d in range(self._ending.shape[1]):
            chance = self._ending[beside, d, None]
            after[:, : size - d] += chance * state[:, d:]
        return after / after.sum(axis=1, keepdims=True), half / half.sum(axis=1, keepdims=True)

    def served(self, most: int) -> tuple[Floats, Floats]:
        """Mean and variance of 1 .. most iterations (rows) among k others."""
        moves, before = self._others
        size = self.rates.size
        beside = np.minimum(np.arange(size), self.slots - 1) + 1
        tau = self.tau[np.minimum(beside, size - 1)]
        first, second = np.zeros(size), np.zeros(size)
        means, squares = np.empty((most, size)), np.empty((most, size))
        for v in range(most):
            later, later2 = moves @ first, moves @ second
            first, second = tau + later, tau**2 + 2.0 * tau * later + later2
            means[v], squares[v] = before @ first, before @ second
        return means, np.maximum(squares - means**2, 0.0)

    @cached_property
    def waited(self) -> tuple[Floats, Floats]:
        """Mean and variance of the wait for a slot behind a prompts, for a = 0 .. last."""
        size = self.rates.size
        mean, square = np.zeros(size), np.zeros(size)
        tau = self.tau[min(self.slots, size - 1)]
        ends = _binomial(self.slots, self.end, self.slots)
        for a in range(self.slots, size):
            left = a - np.arange(1, min(self.slots, a) + 1)
            chance = ends[1 : left.size + 1]
            stays = ends[0]
            later = float(chance @ mean[left])
            later2 = float(chance @ square[left])
            mean[a] = (tau + later) / (1.0 - stays)
            cross = 2.0 * tau * (later + stays * mean[a])
            square[a] = (tau**2 + cross + later2) / (1.0 - stays)
        return mean, np.maximum(square - mean**2, 0.0)


def _births(state: Floats, rates: Floats, seconds: Floats) -> Floats:
    """Rows after a short time of births, by the midpoint rule; the last state is kept."""
    half = state + 0.5 * seconds * _growth(state, rates)
    return state + seconds * _growth(half, rates)


def _growth(state: Floats, rates: Floats) -> Floats:
    flow = state * rates
    flow[:, -1] = 0.0
    growth = -flow
    growth[:, 1:] += flow[:, :-1]
    return growth


def _binomial(n: int, chance: float, most: int) -> Floats:
    row = np.zeros(most + 1)
    for d in range(n + 1):
        row[d] = math.comb(n, d) * chance**d * (1.0 - chance) ** (n - d)
    return row
