"""Arrivals at rates that depend on the number in system: a pure birth process on a grid."""

from __future__ import annotations

import numpy as np

from fleetopt.workload.lengths import Floats

_TERMS = 20


def birth_powers(rates: Floats, step_s: float, size: int) -> tuple[Floats, Floats]:
    """exp(B k step) for k = 0 .. size - 1, and exp(B step / 2).

    rates: lambda_n for n = 0, 1, ...; rows and columns are n. The last state is kept.
    """
    half = _exponential(rates, 0.5 * step_s)
    step = half @ half
    powers = np.empty((size, rates.size, rates.size))
    powers[0] = np.eye(rates.size)
    known = 1
    if size > 1:
        powers[1] = step
        known = 2
    while known < size:
        more = min(known - 1, size - known)
        powers[known : known + more] = powers[1 : more + 1] @ powers[known - 1]
        known += more
    return powers, half


def _exponential(rates: Floats, seconds: float) -> Floats:
    """exp(B t) by its series on a part of t, squared."""
    up = np.append(rates[:-1], 0.0) * seconds
    halvings = max(0, int(np.ceil(np.log2(max(float(up.max()), 1e-9) * 4.0))))
    generator = (np.diag(-up) + np.diag(up[:-1], 1)) / 2.0**halvings
    term = total = np.eye(rates.size)
    for k in range(1, _TERMS):
        term = term @ generator / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total
