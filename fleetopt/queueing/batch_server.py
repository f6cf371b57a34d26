"""A replica that prefills whole prompts, all that wait at a time, up to its slots.

A batch of n prompts takes S_n seconds; requests that arrive meanwhile form the next. The number
in system when a batch begins is a Markov chain: it grows as a pure birth process while the batch
is served, at rates lambda_n of the router, and falls by the batch. An arrival finds the rest of a
batch, and then shares the next one with those before it and those that come until it begins.
With one slot it is the M_n/G/1 queue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetopt.queueing.births import birth_powers
from fleetopt.workload.lengths import Floats

_FAINT = 1e-8
_ROUNDS = 3
_EVEN = 3e-3
"""Relative distance of the rate of arrivals at which the rates of the router are kept."""
_SEEN = 1e-7
"""Share of the batches below which a size is left out."""


@dataclass(frozen=True, eq=False)
class Batches:
    """What arrivals meet.

    sizes: probability of batches of n prompts, n = 0, 1, ...; idle: chance to find nobody.
    waits: P(wait until the batch begins = grid point, others in it), rows by others.
    ends_idle: share of the batches that leave nobody. rate: arrivals per second.
    """

    sizes: Floats
    idle: float
    waits: Floats
    ends_idle: float
    rate: float


def balanced(service: Floats, rates: Floats, slots: int, step_s: float, rate: float) -> Batches:
    """The same with all lambda_n multiplied so that `rate` prompts per second arrive."""
    found = batches(service, rates, slots, step_s)
    for _ in range(_ROUNDS):
        if abs(found.rate - rate) < _EVEN * rate:
            break
        rates = rates * (rate / found.rate) ** 1.5
        found = batches(service, rates, slots, step_s)
    return found


def batches(service: Floats, rates: Floats, slots: int, step_s: float) -> Batches:
    """The stationary batches.

    service: mass of S_n at multiples of step_s, row n = 0 .. last, the first unused.
    rates: lambda_n for n = 0 .. last. slots: most prompts of a batch.
    """
    last, size = service.shape[0] - 1, service.shape[1]
    ages = _longest(service)
    powers, half = birth_powers(rates, step_s, ages + 1)
    grown = np.einsum("nj,jnm->nm", service[1:, : ages + 1], powers[:, 1:, :])[:, 1:]
    served = np.minimum(np.arange(1, last + 1), slots)
    moves = np.zeros((last, last + 1))
    for n in range(last):
        after = np.arange(1, last + 1) - served[n]
        inside = after >= 0
        np.add.at(moves[n], after[inside], grown[n][inside])
    begins = _stationary(moves)
    ends_idle = float(begins @ moves[:, 0])
    waits = np.zeros((min(slots, last), size))
    full_wave = np.fft.rfft(service[min(slots, last)], 2 * size)
    for n in (int(i) + 1 for i in np.flatnonzero(begins > _SEEN)):
        one = service[n, : ages + 1]
        found = _found(one, powers[:, n, :], half, rates, step_s) * begins[n - 1]
        _joined(waits, found, powers, int(served[n - 1]), slots, full_wave)
    waits[0, 0] += ends_idle
    whole = float(waits.sum())
    sizes = np.zeros(min(slots, last) + 1)
    np.add.at(sizes, served, begins)
    served_s = step_s * float(begins @ (service[1:] @ np.arange(size)))
    rate = whole / (served_s + ends_idle / rates[0])
    return Batches(sizes, ends_idle / whole, waits / whole, ends_idle, rate)


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
    waits: Floats,
    found: Floats,
    powers: Floats,
    served: int,
    slots: int,
    full_wave: np.ndarray,
) -> None:
    """Add the arrivals during batches of `served` prompts by the batch that takes them."""
    last, size = found.shape[0] - 1, waits.shape[1]
    ahead = np.arange(last + 1) - served
    soon = (ahead >= 0) & (ahead < slots)
    first = np.minimum(np.flatnonzero(soon) + 1, last)
    there = np.einsum("mr,rmk->kr", found[soon], powers[:, first, :])
    others = np.clip(np.minimum(np.arange(last + 1) - served, slots) - 1, 0, waits.shape[0] - 1)
    np.add.at(waits[:, : found.shape[1]], others, there)
    later = np.zeros(size)
    wave = np.ones_like(full_wave)
    for rounds in range(1, (last - served) // slots + 1):
        wave = wave * full_wave
        among = ahead // slots == rounds
        if found[among].sum() > 0.0:
            mass = np.fft.rfft(found[among].sum(axis=0), 2 * size) * wave
            later += np.maximum(np.fft.irfft(mass, 2 * size)[:size], 0.0)
    waits[-1] += later
