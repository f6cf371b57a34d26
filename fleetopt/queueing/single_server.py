"""One server, first come first served, with arrivals that depend on the number in system.

The M_n/G/1 queue: Poisson arrivals at rate lambda_n while n are in system. The number that a
departure leaves behind is a Markov chain: while one is served, n rises as a pure birth process.
At age u of a service, n in system have the density

    p(n, u) = gamma v_n(u) P(S > u),   v(u) = v(0) exp(B u),

gamma departures per second, v(0) what services begin with, B the generator of the births. An
arrival waits for the rest of the service and for the services of those before it. With one rate
for every n it is M/G/1, and the mean wait that of Pollaczek and Khinchine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetopt.workload.lengths import Floats

MOST = 48
"""Most in system that are told apart; more count as so many."""
_TERMS = 24


@dataclass(frozen=True, eq=False)
class FoundQueue:
    """What arrivals find: waits on a grid of time.

    step_s: between grid points. wait: probability of each grid point; they sum to 1.
    idle: probability that an arrival finds nobody.
    """

    step_s: float
    wait: Floats
    idle: float


def on_grid(seconds: Floats, weights: Floats, step_s: float, size: int) -> Floats:
    """Mass at grid points, each value between two of them so that the mean is kept."""
    place = np.minimum(seconds / step_s, size - 1.001)
    low = np.floor(place).astype(np.int64)
    part = place - low
    mass = np.zeros(size)
    np.add.at(mass, low, weights * (1.0 - part))
    np.add.at(mass, low + 1, weights * part)
    return mass


def found_queue(service: Floats, rates: Floats, step_s: float) -> FoundQueue:
    """The wait that arrivals find, on a grid as long as `service`.

    service: mass of the service time at multiples of step_s. rates: lambda_n, n = 0, 1, ...,
    the last for all above. The queue must be stable.
    """
    rates = np.concatenate((rates[:MOST], np.full(max(0, MOST - rates.size), rates[-1])))
    ages = int(np.flatnonzero(service > 0)[-1])
    mean_s = step_s * float(service @ np.arange(service.size))
    births = _births(rates, 0.5 * step_s)
    begins, departures_idle = _begins(service, ages, births)
    cycle_s = mean_s + departures_idle / rates[0]
    gamma = 1.0 / cycle_s
    idle = gamma * departures_idle
    chances = [idle]
    waits = np.zeros(service.size)
    waits[0] = idle
    wave = np.fft.rfft(service, 2 * service.size)
    rests = _rests(begins, births, service, ages)
    ahead = np.ones_like(wave)
    total = np.zeros_like(wave)
    for n in range(1, MOST + 1):
        mass = gamma * rates[n - 1 if n == MOST else n] * step_s * rests[n - 1]
        chances.append(float(mass.sum()))
        total += np.fft.rfft(mass, 2 * service.size) * ahead
        ahead = ahead * wave
    waits += np.maximum(np.fft.irfft(total, 2 * service.size)[: service.size], 0.0)
    return FoundQueue(step_s, waits / sum(chances), idle / sum(chances))


def _births(rates: Floats, half_s: float) -> Floats:
    """exp(B t) for half a step; row i, column n: from n = i + 1 to n + 1 in system."""
    up = np.append(rates[1:MOST], 0.0)
    generator = half_s * (np.diag(-up) + np.diag(up[:-1], 1))
    powers = max(0, int(np.ceil(np.log2(max(float(np.abs(generator).max()), 1e-9) * 4.0))))
    generator /= 2.0**powers
    term = total = np.eye(MOST)
    for k in range(1, _TERMS):
        term = term @ generator / k
        total = total + term
    for _ in range(powers):
        total = total @ total
    return total


def _begins(service: Floats, ages: int, half: Floats) -> tuple[Floats, float]:
    """What services begin with, n = 1, 2, ..., and the share of departures that leave nobody."""
    step, grown = half @ half, np.eye(MOST)
    moves = service[0] * grown
    for k in range(1, ages + 1):
        grown = grown @ step
        if service[k] > 0:
            moves += service[k] * grown
    after = np.concatenate((moves[:1], moves[:-1]))
    balance = after.T - np.eye(MOST)
    balance[-1] = 1.0
    right = np.zeros(MOST)
    right[-1] = 1.0
    left = np.maximum(np.linalg.solve(balance, right), 0.0)
    left /= left.sum()
    begins = np.append(left[1:], 0.0)
    begins[0] += left[0]
    return begins, float(left[0])


def _rests(begins: Floats, half: Floats, service: Floats, ages: int) -> Floats:
    """Density over n (rows) of the rest of the service that goes on, at grid points."""
    state, step = begins @ half, half @ half
    seen = np.empty((ages, MOST))
    for k in range(ages):
        seen[k] = state
        state = state @ step
    size = 2 * (ages + 1)
    wave = np.conj(np.fft.rfft(seen, size, axis=0))
    tail = np.fft.rfft(service[: ages + 1], size)[:, None]
    ended = np.maximum(np.fft.irfft(wave * tail, size, axis=0)[: ages + 1].T, 0.0)
    ended[:, 0] = 0.0
    rests = np.zeros((MOST, service.size))
    rests[:, : ages + 1] = 0.5 * ended
    rests[:, :ages] += 0.5 * ended[:, 1:]
    return rests
