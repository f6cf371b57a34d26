"""Sequences in a pool: the state-dependent Erlang-C.

With n sequences active on N replicas of s slots, c = N s, the pool works at

    phi(n) = n / tau(n),   tau(n) = W + h Lbar max(n / N, 1)   for n <= c,

and at phi(c) beyond. The stationary distribution is

    pi(n) proportional to prod_{k = 1..n} a / phi(k),   a = lambda E[v].

Below c this is a generalized processor-sharing queue, so only the mean of v matters
(Cohen 1979, Acta Informatica 12). With h = 0 it is Erlang's C formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.workload.lengths import Floats

_NINTHS = np.arange(9.0)[:, None] / 8.0
_SIMPSON = np.array([1, 4, 2, 4, 2, 4, 2, 4, 1]) / 24.0
_NEGLIGIBLE = -42.0
"""Log weight, relative to the mode, below which states are left out."""


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Distribution of the sequences in a pool.

    states, probabilities: n below c and pi(n); states of negligible weight are left out.
    wait_probability: sum of pi(n) over n >= c; 1 if the pool is overloaded.
    utilization: rho = a / phi(c).
    full_rate: phi(c), iterations per second with every slot busy.
    """

    states: Floats
    probabilities: Floats
    wait_probability: float
    utilization: float
    full_rate: float
    replicas: int
    slots: int

    @property
    def is_stable(self) -> bool:
        """Whether the pool can do the offered work."""
        return self.utilization < 1.0

    def stateless(self) -> Occupancy:
        """The same without its states, of which large pools have many."""
        return replace(self, states=np.empty(0), probabilities=np.empty(0))

    def mean(self) -> float:
        """Mean number of active sequences."""
        full = self.replicas * self.slots
        return float(self.states @ self.probabilities) + full * self.wait_probability


def iteration_s(n: Floats, base_s: float, slope_s: float, replicas: int) -> Floats:
    """tau(n) for n active sequences; slope_s = h Lbar is what one sequence adds."""
    return base_s + slope_s * np.maximum(n / replicas, 1.0)


def full_rate(base_s: float, slope_s: float, replicas: int, slots: int) -> float:
    """phi(c): iterations per second of a pool with every slot busy."""
    return replicas * slots / (base_s + slope_s * slots)


def occupancy(
    offered_work: float, base_s: float, slope_s: float, replicas: int, slots: int
) -> Occupancy:
    """The stationary distribution at offered work a, in iterations per second."""
    full = replicas * slots
    top_rate = full_rate(base_s, slope_s, replicas, slots)
    rho = offered_work / top_rate
    if rho >= 1.0:
        return Occupancy(np.empty(0), np.empty(0), 1.0, rho, top_rate, replicas, slots)
    first, last = _window(offered_work, base_s, slope_s, replicas, full)
    states = np.arange(first, last + 1, dtype=np.float64)
    rates = states[1:] / iteration_s(states[1:], base_s, slope_s, replicas)
    logs = np.concatenate(([0.0], np.cumsum(np.log(offered_work / rates))))
    weights = np.exp(logs - logs.max())
    if last == full:
        weights[-1] /= 1.0 - rho
    weights /= weights.sum()
    waiting = float(weights[-1]) if last == full else 0.0
    inside = slice(None, -1) if last == full else slice(None)
    return Occupancy(states[inside], weights[inside], waiting, rho, top_rate, replicas, slots)


def _window(
    offered_work: float, base_s: float, slope_s: float, replicas: int, full: int
) -> tuple[int, int]:
    """States around the mode whose weights are not negligible, 0 and c at most."""
    mode = _mode(offered_work, base_s, slope_s, replicas)
    tau = base_s + slope_s * max(mode / replicas, 1.0)
    spread = math.sqrt(max(mode, 1.0) * tau / base_s)
    width = 10.0 * spread + 20.0
    while True:
        first = max(0, math.floor(mode - width))
        last = min(full, math.ceil(mode + width))
        if first == 0 and last == full:
            return first, last
        ends = np.array([first, last])
        logs = _log_weight(ends, mode, offered_work, base_s, slope_s, replicas)
        if (first == 0 or logs[0] < _NEGLIGIBLE) and (last == full or logs[1] < _NEGLIGIBLE):
            return first, last
        width *= 1.5


def _mode(offered_work: float, base_s: float, slope_s: float, replicas: int) -> float:
    """The n at which phi(n) = a."""
    alone = offered_work * (base_s + slope_s)
    if alone <= replicas:
        return alone
    return offered_work * base_s / (1.0 - offered_work * slope_s / replicas)


def _log_weight(
    ends: Floats | np.ndarray,
    mode: float,
    offered_work: float,
    base_s: float,
    slope_s: float,
    replicas: int,
) -> Floats:
    """Log of pi(n) / pi(mode) by Simpson's rule on log(a / phi), an upper estimate's worth."""
    far, near = np.maximum(ends, 0.5), max(mode, 0.5)
    points = far + (near - far) * _NINTHS
    logs = np.log(offered_work * iteration_s(points, base_s, slope_s, replicas) / points)
    return (_SIMPSON @ logs) * (ends - mode)
