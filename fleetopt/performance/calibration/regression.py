"""Constants from measured runs: hierarchical robust least squares of relative errors.

The logarithms b of an equation are found by Gauss-Newton with ridges b / sigma_l and the weights of
a soft-L1 loss. Groups whose runs are not at hand take part by their summaries. Clients that
queue for slots follow no such equation, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetopt.performance.calibration.constants import Factors
from fleetopt.performance.calibration.equation import Equation
from fleetopt.performance.calibration.seconds import Floats
from fleetopt.performance.calibration.summary import Summary

_RIDGE = 20.0
"""Rows that repeat one another count as one; this many on average."""
_FURTHEST = 0.7
_CLOSE = 3e-3
Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Measured rows as arrays.

    units: of each cause, shape (n, causes). measured_s: seconds, shape (n,).
    members: index of the level of each kind, shape (n, 5); the last is a group's own, and
        all rows of a group agree in the others. names: of the levels.
    known: groups without rows, with the index of their levels.
    """

    equation: Equation
    units: Floats
    measured_s: Floats
    members: Indices
    names: tuple[str, ...]
    known: tuple[tuple[Indices, Summary], ...] = ()

    @classmethod
    def of(
        cls,
        equation: Equation,
        units: Floats,
        measured_s: Floats,
        levels: Sequence[tuple[str, ...]],
        known: Sequence[Summary] = (),
    ) -> Rows:
        """Rows with the levels that each belongs to, and groups of other measurements."""
        index: dict[str, int] = {}

        def indices(names: tuple[str, ...]) -> list[int]:
            return [index.setdefault(name, len(index)) for name in names]

        members = np.array([indices(row) for row in levels], dtype=np.int64)
        others = tuple((np.array(indices(each.levels)), each) for each in known)
        return cls(equation, units, measured_s, members, tuple(index), others)

    def fit(self, used: Mask, start: Floats | None = None, iterations: int = 60) -> Floats:
        """Logarithms of the factors by level, shape (levels, causes), from the rows that are used.

        start: where to begin, 0 if absent.
        """
        ridge = self._ridge
        logs = np.zeros(ridge.shape) if start is None else start.copy()
        for _ in range(iterations):
            step = self._step(used, logs, ridge)
            logs += np.clip(step, -_FURTHEST, _FURTHEST)
            if np.abs(step).max() < _CLOSE:
                break
        return logs

    def predicted_s(self, logs: Floats) -> Floats:
        """Seconds of every row with these factors."""
        return np.asarray(self._parts(slice(None), logs).sum(axis=1))

    def without(self, logs: Floats, kept: Mask) -> Floats:
        """Factors where levels that only other rows belong to are 1 again."""
        others = [levels for levels, _ in self.known]
        held = np.concatenate([self.members[kept].ravel(), *others])
        left = logs.copy()
        left[np.setdiff1d(self.members[~kept], held)] = 0.0
        return left

    def stacked(self, logs: Mapping[str, Floats]) -> Floats:
        """Factors in the order of the levels; 1 where a name is not known."""
        zero = np.zeros(len(self.equation.nominal))
        return np.array([logs.get(name, zero) for name in self.names])

    def named(self, logs: Floats) -> dict[str, Floats]:
        """Factors by the name of their level."""
        return dict(zip(self.names, logs, strict=True))

    def factors(self, used: Mask, logs: Floats) -> Factors:
        """Factors by name, and summaries of all groups behind them."""
        summaries = [
            Summary(tuple(self.names[i] for i in levels), logs[levels].sum(axis=0), slope, matrix)
            for levels, matrix, slope in self._groups(used, logs)
        ]
        return Factors(self.named(logs), tuple(summaries))

    @property
    def _ridge(self) -> Floats:
        spread = np.array([self.equation.spread(name) for name in self.names])
        return np.asarray(_RIDGE / spread**2)

    def _parts(self, rows: Mask | slice, logs: Floats) -> Floats:
        theta = self.equation.nominal * np.exp(logs[self.members[rows]].sum(axis=1))
        return np.asarray(self.units[rows] * theta)

    def _step(self, used: Mask, logs: Floats, ridge: Floats) -> Floats:
        """Gauss-Newton step of all levels, by elimination of the groups.

        A row depends on the factors of all its levels in the same way, so that a group's rows
        give one matrix M and one gradient g for each pair of its levels. With A = M + ridge of
        the group itself, the other levels see M - M A^-1 M and g - M A^-1 (g + pull).
        """
        causes = ridge.shape[1]
        pull = ridge * logs
        normal = np.diag(ridge.ravel())
        gradient = pull.copy()
        groups = []
        for levels, matrix, slope in self._groups(used, logs):
            own, shared = levels[-1], levels[:-1]
            inverse = np.linalg.inv(matrix + np.diag(ridge[own]))
            through = matrix @ inverse
            columns = (shared[:, None] * causes + np.arange(causes)).ravel()
            both = np.tile(matrix - through @ matrix, (shared.size, shared.size))
            normal[np.ix_(columns, columns)] += both
            gradient[shared] += slope - through @ (slope + pull[own])
            groups.append((own, shared, inverse, matrix, slope))
        common = np.setdiff1d(np.arange(len(ridge)), [own for own, *_ in groups])
        columns = (common[:, None] * causes + np.arange(causes)).ravel()
        step = np.zeros(logs.shape)
        solved = np.linalg.solve(normal[np.ix_(columns, columns)], -gradient.ravel()[columns])
        step[common] = solved.reshape(common.size, causes)
        for own, shared, inverse, matrix, slope in groups:
            step[own] = -inverse @ (slope + pull[own] + matrix @ step[shared].sum(axis=0))
        return step

    def _groups(self, used: Mask, logs: Floats) -> Iterator[tuple[Indices, Floats, Floats]]:
        """Levels of each group, their weighted matrix and their gradient."""
        yield from self._measured(used, logs)
        for levels, each in self.known:
            yield levels, each.matrix, each.slope_at(logs[levels].sum(axis=0))

    def _measured(self, used: Mask, logs: Floats) -> Iterator[tuple[Indices, Floats, Floats]]:
        parts = self._parts(used, logs)
        whole = parts.sum(axis=1)
        scale = self.equation.scale
        residual = np.log(whole / self.measured_s[used])
        weight = 1.0 / np.sqrt(1.0 + (residual / scale) ** 2) / scale**2
        share = parts / whole[:, None]
        members = self.members[used]
        order = np.argsort(members[:, -1], kind="stable")
        _, first = np.unique(members[order, -1], return_index=True)
        for mine in np.split(order, first[1:]) if order.size else ():
            weighted = share[mine] * weight[mine, None]
            yield members[mine[0]], weighted.T @ share[mine], weighted.T @ residual[mine]
