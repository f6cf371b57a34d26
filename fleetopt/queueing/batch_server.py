"""A replica that prefills whole prompts, all that wait at a time, up to its slots.

A batch of n prompts takes S_n seconds; requests that arrive meanwhile form the next. The number
in system when a batch begins is a Markov chain: it grows as a pure birth process while the batch
is served, at rates lambda_n of the router, and falls by the batch. An arrival finds the rest of a
batch, and then shares the next one with those before it and those that come until it begins.
With one slot it is the M_n/G/1 queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.births import birth_powers
from fleetopt.workload.lengths import Floats, Ints

_FAINT = 1e-8
_ROUNDS = 3
_EVEN = 3e-3
"""Relative distance of the rate of arrivals at which the rates of the router are kept."""
_SEEN = 1e-7
"""Share of the batches below which a size is left out."""


@dataclass(frozen=True, eq=False)
class Batches:
    """The stationary batches of a replica, and what arrivals meet.

    service: mass of S_n at multiples of step_s, row n = 0 .. last, the first unused.
    rates: lambda_n for n = 0 .. last. slots: most prompts of a batch.
    """

    service: Floats
    rates: Floats
    slots: int
    step_s: float

    @property
    def _last(self) -> int:
        return int(self.service.shape[0]) - 1

    @cached_property
    def _births(self) -> tuple[Floats, Floats]:
        return birth_powers(self.rates, self.step_s, _longest(self.service) + 1)

    @cached_property
    def _served(self) -> Ints:
        """Prompts of the batches that begin with n, n = 1 .. last."""
        return np.minimum(np.arange(1, self._last + 1), self.slots)

    @cached_property
    def _moves(self) -> Floats:
        """What is there after a batch that began with n = 1 .. last (rows)."""
        last, ages = self._last, _longest(self.service)
        born = self._births[0][:, 1:, :]
        grown = np.einsum("nj,jnm->nm", self.service[1:, : ages + 1], born)[:, 1:]
        moves = np.zeros((last, last + 1))
        for n in range(last):
            after = np.arange(1, last + 1) - self._served[n]
            inside = after >= 0
            np.add.at(moves[n], after[inside], grown[n][inside])
        return moves

    @cached_property
    def _begins(self) -> Floats:
        """Share of the batches that begin with n, n = 1 .. last."""
        return _stationary(self._moves)

    @cached_property
    def ends_idle(self) -> float:
        """Share of the batches that leave nobody."""
        return float(self._begins @ self._moves[:, 0])

    @cached_property
    def sizes(self) -> Floats:
        """Probability of batches of n prompts, n = 0, 1, ..."""
        sizes = np.zeros(min(self.slots, self._last) + 1)
        np.add.at(sizes, self._served, self._begins)
        return sizes

    @cached_property
    def rate(self) -> float:
        """Prompts per second: those of a batch over the time from its beginning to the next."""
        times = np.arange(self.service.shape[1])
        served_s = self.step_s * float(self._begins @ (self.service[1:] @ times))
        idle_s = self.ends_idle / float(self.rates[0])
        return float(self._begins @ self._served) / (served_s + idle_s)

    @cached_property
    def _arrived(self) -> Floats:
        """Arrivals for each batch by the wait until theirs begins, rows by others in it."""
        size, (powers, half) = self.service.shape[1], self._births
        taken, ages = min(self.slots, self._last), _longest(self.service)
        waits, later = np.zeros((taken, size)), np.zeros((self._last // self.slots + 1, ages + 1))
        for n in (int(i) + 1 for i in np.flatnonzero(self._begins > _SEEN)):
            one = self.service[n, : ages + 1]
            met = _found(one, powers[:, n, :], half, self.rates, self.step_s)
            begun = met * self._begins[n - 1]
            _joined(waits, later, begun, powers, int(self._served[n - 1]), self.slots)
        waits[-1] += _after_full_batches(later, self.service[taken])
        waits[0, 0] += self.ends_idle
        return waits

    @cached_property
    def waits(self) -> Floats:
        """P(wait until the batch begins = grid point, others in it), rows by others."""
        waits: Floats = self._arrived / float(self._arrived.sum())
        return waits

    @property
    def idle(self) -> float:
        """Chance of an arrival to find nobody."""
        return self.ends_idle / float(self._arrived.sum())


def balanced(service: Floats, rates: Floats, slots: int, step_s: float, rate: float) -> Batches:
    """The same with all lambda_n multiplied so that `rate` prompts per second arrive."""
    found = Batches(service, rates, slots, step_s)
    for _ in range(_ROUNDS):
        if abs(found.rate - rate) < _EVEN * rate:
            break
        rates = rates * (rate / found.rate) ** 1.5
        found = Batches(service, rates, slots, step_s)
    return found


def _longest(service: Floats) -> int:
    """Grid points of the longest service that counts."""
    later = 1.0 - np.cumsum(service[1:, :-1], axis=1)
    there = np.flatnonzero((later > _FAINT).any(axis=0))
    return int(there[-1]) + 1 if there.size else 1


def _stationary(moves: Floats) -> Floats:
    """What batches begin with, n = 1 .. last; one that leaves nobody is followed by n = 1."""
    chain = moves[:, 1:].copy()
    chain[:, 0] += moves[:, 0]
    chain /= chain.sum(axis=1, keepdims=True)
    balance = chain.T - np.eye(chain.shape[0])
    balance[-1] = 1.0
    right = np.zeros(chain.shape[0])
    right[-1] = 1.0
    found = np.maximum(np.linalg.solve(balance, right), 0.0)
    begins: Floats = found / found.sum()
    return begins


def _found(service: Floats, grown: Floats, half: Floats, rates: Floats, step_s: float) -> Floats:
    """Arrivals during one batch by the number they find (rows) and the rest of the batch."""
    ages = service.size - 1
    seen = (grown[:ages] @ half) * rates * step_s
    size = 2 * (ages + 1)
    wave = np.conj(np.fft.rfft(seen, size, axis=0))
    tail = np.fft.rfft(service, size)[:, None]
    ended = np.maximum(np.fft.irfft(wave * tail, size, axis=0)[: ages + 1].T, 0.0)
    ended[:, 0] = 0.0
    rests = 0.5 * ended
    rests[:, :ages] += 0.5 * ended[:, 1:]
    return rests


def _joined(
    waits: Floats, later: Floats, found: Floats, powers: Floats, served: int, slots: int
) -> None:
    """Add the arrivals during batches of `served` prompts by the batch that takes them.

    later: those that wait for full batches after the present one, rows by how many.
    """
    last = found.shape[0] - 1
    ahead = np.arange(last + 1) - served
    soon = (ahead >= 0) & (ahead < slots)
    first = np.minimum(np.flatnonzero(soon) + 1, last)
    there = np.einsum("mr,rmk->kr", found[soon], powers[:, first, :])
    others = np.clip(np.minimum(np.arange(last + 1) - served, slots) - 1, 0, waits.shape[0] - 1)
    np.add.at(waits[:, : found.shape[1]], others, there)
    behind = ahead >= slots
    np.add.at(later, ahead[behind] // slots, found[behind])


def _after_full_batches(later: Floats, full: Floats) -> Floats:
    """The waits of arrivals behind one or more full batches: each row takes one more of them."""
    size = full.size
    full_wave = np.fft.rfft(full, 2 * size)
    wave = np.zeros_like(full_wave)
    for row in later[:0:-1]:
        wave = (wave + np.fft.rfft(row, 2 * size)) * full_wave
    waits: Floats = np.maximum(np.fft.irfft(wave, 2 * size)[:size], 0.0)
    return waits
