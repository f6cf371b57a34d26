"""Quasi-birth-death processes: levels eliminated one by one, and the rate matrix above them.

Latouche and Ramaswami 1999, chapters 6 and 12. Several processes are solved side by side: their
matrices are small, and a call for a stack of them takes little longer than one for a single.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fleetopt.workload.lengths import Floats

_UNSCALED = 8
"""Levels over which rows stay far within the range of floating point."""
_MOST_CELLS = 2**20
"""Levels times phases squared that are eliminated side by side: 8 MB."""


class Process(NamedTuple):
    """A process whose levels differ up to the last one, from which on they are alike.

    arrive: rates to the level above, by phase before and after; above the last level they are
        `rate` without a change of phase.
    rests, longs: rates to the level below, by level and phase: without a change of phase, and
        to the phase below.
    leave: rates at which a state is left, by level and phase.
    down: rates from each level above the last to the one below it, by phase before and after.
    """

    rate: float
    arrive: Floats
    rests: Floats
    longs: Floats
    leave: Floats
    down: Floats

    @property
    def levels(self) -> int:
        """Levels up to the last one."""
        return len(self.leave)

    @property
    def phases(self) -> int:
        """Phases of each level."""
        return len(self.arrive)


def stationary(processes: Sequence[Process]) -> list[tuple[Floats, Floats]]:
    """Of each process the probabilities of its levels by phase, and the rate matrix R above.

    Every process has to have a stationary distribution.
    """
    found: dict[int, tuple[Floats, Floats]] = {}
    order = sorted(range(len(processes)), key=lambda i: -processes[i].levels)
    for together in _side_by_side(processes, order):
        found |= zip(together, _solved([processes[i] for i in together]), strict=True)
    return [found[i] for i in range(len(processes))]


def _side_by_side(processes: Sequence[Process], order: Sequence[int]) -> Iterator[list[int]]:
    """Processes that are solved in one stack, those with the most levels first."""
    together: list[int] = []
    for i in order:
        phases = max(processes[j].phases for j in (*together, i))
        levels = processes[together[0] if together else i].levels
        if together and (len(together) + 1) * levels * phases**2 > _MOST_CELLS:
            yield together
            together = []
        together.append(i)
    if together:
        yield together


def _solved(processes: Sequence[Process]) -> list[tuple[Floats, Floats]]:
    """The same of processes whose levels do not increase."""
    phases = max(process.phases for process in processes)
    down = _squares([process.down for process in processes], phases, 1.0)
    leave = _rows([process.leave[-1:] for process in processes], phases, 1.0)[0]
    rates = _rows([np.full((1, p.phases), p.rate) for p in processes], phases, 0.0)[0]
    above = rate_matrices(rates, leave, down)
    tables = _level_rows(processes, above @ down)
    found = []
    for table, matrix, process in zip(tables, above, processes, strict=True):
        own = matrix[: process.phases, : process.phases]
        waiting = np.linalg.solve((np.eye(process.phases) - own).T, table[-1])
        found.append((table / (table[:-1].sum() + waiting.sum()), own))
    return found


def _level_rows(processes: Sequence[Process], back_down: Floats) -> list[Floats]:
    """Rows of the stationary distributions, up to factors: elimination from the lowest level.

    back_down: rates at which the highest level is left upwards and reached again.
    Levels are counted from the highest of all processes, so that they end together. Matrices
    stand transposed: a step is what a level passes down, over the level above it. Rows are
    scaled now and then, for they span more than the range of floating point.
    """
    count, phases = back_down.shape[:2]
    most = processes[0].levels
    rests = _rows([process.rests for process in processes], phases, 0.0)
    longs = _rows([process.longs for process in processes], phases, 0.0)
    leave = _rows([process.leave for process in processes], phases, 1.0)
    first = [most - process.levels for process in processes]
    up = _squares([process.arrive.T for process in processes], phases, 0.0)
    inside = leave[first, np.arange(count)][:, :, None] * np.eye(phases)
    steps: list[Floats] = []
    for start, end in pairwise((*sorted({*first}), most - 1)):
        n = sum(f <= start for f in first)
        levels = slice(start + 1, end + 1)
        among = rests[levels, :n], longs[levels, :n, 1:], leave[levels, :n]
        steps += _eliminated(up[:n], inside[:n], *among)
    top = null_vectors(back_down - np.swapaxes(inside, 1, 2))
    table = _passed_down(np.maximum(top, 0.0), steps)
    return [
        table[f:, i, : process.phases]
        for i, (f, process) in enumerate(zip(first, processes, strict=True))
    ]


def _eliminated(
    up: Floats, inside: Floats, rests: Floats, longs: Floats, leave: Floats
) -> Iterator[Floats]:
    """The steps of levels that the same processes have; `inside` ends at the last of them."""
    down = np.zeros_like(inside)
    stay, fall = np.einsum("bii->bi", down), np.einsum("bii->bi", down[:, :-1, 1:])
    diagonal = np.einsum("bii->bi", inside)
    for rest, long, left in zip(rests, longs, leave, strict=True):
        stay[:] = rest
        fall[:] = long
        step: Floats = np.linalg.solve(inside, down).astype(np.float64, copy=False)
        yield step
        np.matmul(up, step, out=inside)
        np.negative(inside, out=inside)
        diagonal += left


def _passed_down(top: Floats, steps: Sequence[Floats]) -> Floats:
    """Rows of all levels from those of the highest; of levels that a process lacks, nothing."""
    rows = np.zeros((len(steps) + 1, *top.shape, 1))
    logs = np.zeros((len(steps) + 1, len(top)))
    rows[-1, ..., 0] = top
    for level in range(len(steps) - 1, -1, -1):
        step, n = steps[level], len(steps[level])
        row = np.matmul(step, rows[level + 1, :n], out=rows[level, :n])
        if level % _UNSCALED == 0:
            total = row.sum(axis=(1, 2))
            row /= total[:, None, None]
            logs[level, :n] = np.log(total)
    logs = np.cumsum(logs[::-1], axis=0)[::-1]
    scales = np.exp(logs - logs.max(axis=0))
    table: Floats = np.maximum(scales[:, :, None] * rows[..., 0], 0.0)
    return table


def rate_matrices(rates: Floats, leave: Floats, down: Floats) -> Floats:
    """R of homogeneous processes by logarithmic reduction: a stack of matrices.

    rates: to the level above, without a change of phase. leave: at which a state is left.
    Both by process and phase; down: rates to the level below, a matrix for each process.
    """
    local = -leave[:, :, None] * np.eye(leave.shape[1])
    high, low = (rates / leave)[:, :, None] * np.eye(leave.shape[1]), down / leave[:, :, None]
    first_passage, climb = low.copy(), high.copy()
    for _ in range(64):
        both = high @ low + low @ high
        inverse = np.linalg.inv(np.eye(leave.shape[1]) - both)
        high, low = inverse @ (high @ high), inverse @ (low @ low)
        first_passage += climb @ low
        climb = climb @ high
        missing = np.abs(1.0 - first_passage.sum(axis=2)).max(axis=1)
        if ((missing < 1e-12) | (climb.max(axis=(1, 2)) < 1e-16)).all():
            break
    back = local + rates[:, :, None] * first_passage
    found: Floats = rates[:, :, None] * np.linalg.inv(-back)
    return found


def null_vectors(generators: Floats) -> Floats:
    """Probability vectors x with x generator = 0, a row for each of a stack of generators."""
    systems = np.swapaxes(generators, 1, 2).copy()
    systems[:, 0] = 1.0
    right = np.zeros((*systems.shape[:2], 1))
    right[:, 0] = 1.0
    vectors: Floats = np.linalg.solve(systems, right)[..., 0].astype(np.float64, copy=False)
    return vectors


def _squares(matrices: Sequence[Floats], phases: int, alone: float) -> Floats:
    """A stack of square matrices; phases that a process lacks have `alone` on the diagonal."""
    stack = np.zeros((len(matrices), phases, phases))
    np.einsum("bii->bi", stack)[:] = alone
    for square, matrix in zip(stack, matrices, strict=True):
        square[: len(matrix), : len(matrix)] = matrix
    return stack


def _rows(tables: Sequence[Floats], phases: int, absent: float) -> Floats:
    """A stack of tables by level, process and phase, which end together; `absent` elsewhere."""
    most = max(map(len, tables))
    stack = np.full((most, len(tables), phases), absent)
    for i, table in enumerate(tables):
        stack[most - len(table) :, i, : table.shape[1]] = table
    return stack
