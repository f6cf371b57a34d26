"""Quasi-birth-death processes: levels eliminated one by one, and the rate matrix above them.

Latouche and Ramaswami 1999, chapters 6 and 12.
"""

from __future__ import annotations

import math

import numpy as np

from fleetopt.workload.lengths import Floats

_UNSCALED = 8
"""Levels over which rows stay far within the range of floating point."""


def level_rows(
    arrive: Floats, rests: Floats, longs: Floats, leave: Floats, back_down: Floats
) -> Floats:
    """Rows of the stationary distribution, up to a factor: elimination from the lowest.

    arrive: rates to the level above, by phase before and after.
    rests, longs: rates to the level below, by level and phase: without a change of phase, and
        to the phase below.
    leave: rates at which a state is left. back_down: rates at which the highest level is left
        upwards and reached again.
    Matrices stand transposed: a step is what a level passes down, over the level above it.
    Rows are scaled now and then, for they span more than the range of floating point.
    """
    phases = len(arrive)
    up = arrive.T
    down, inside = np.zeros((2, phases, phases))
    stay, fall = np.einsum("ii->i", down), np.einsum("ii->i", down[:-1, 1:])
    diagonal = np.einsum("ii->i", inside)
    diagonal[:] = leave[0]
    back: list[Floats] = []
    for level in range(1, len(rests)):
        stay[:] = rests[level]
        fall[:] = longs[level, 1:]
        step = np.linalg.solve(inside, down)
        back.append(step)
        np.matmul(up, step, out=inside)
        np.negative(inside, out=inside)
        diagonal += leave[level]
    row = np.maximum(null_vector(back_down - inside.T), 0.0)
    rows, logs = [row], [0.0]
    for number, step in enumerate(reversed(back), start=1):
        row = step @ row
        logs.append(logs[-1])
        if number % _UNSCALED == 0:
            total = float(row.sum())
            row /= total
            logs[-1] += math.log(total)
        rows.append(row)
    scales: Floats = np.exp(np.array(logs) - max(logs))
    table: Floats = np.maximum(scales[:, None] * np.array(rows), 0.0)[::-1]
    return table


def rate_matrix(up: Floats, local: Floats, down: Floats) -> Floats:
    """R of a homogeneous quasi-birth-death process by logarithmic reduction."""
    inverse = np.linalg.inv(-local)
    high, low = inverse @ up, inverse @ down
    first_passage, climb = low.copy(), high.copy()
    for _ in range(64):
        both = high @ low + low @ high
        inverse = np.linalg.inv(np.eye(len(both)) - both)
        high, low = inverse @ (high @ high), inverse @ (low @ low)
        first_passage += climb @ low
        climb = climb @ high
        if np.abs(1.0 - first_passage.sum(axis=1)).max() < 1e-12 or climb.max() < 1e-16:
            break
    rate: Floats = up @ np.linalg.inv(-(local + up @ first_passage))
    return rate


def null_vector(generator: Floats) -> Floats:
    """A probability vector x with x generator = 0."""
    system = generator.T.copy()
    system[-1] = 1.0
    right = np.zeros(len(system))
    right[-1] = 1.0
    vector: Floats = np.linalg.solve(system, right).astype(np.float64)
    return vector
