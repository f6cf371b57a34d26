"""Constants from measured runs: hierarchical robust least squares of relative errors.

A request of o output tokens among c clients takes o iterations of the decode batch and its share
of c prompts, so that with the units u of the causes and the seconds theta of each

    e2e = sum_k theta_k (o u_k(decode) + c u_k(prompt)),   theta_k = nominal_k exp(sum_l b_lk)

over the levels l of LEVELS. The logarithms b are found by Gauss-Newton with ridges b / sigma_l and
the weights of a soft-L1 loss. Clients that queue for slots do not follow the equation, and are
left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetopt.performance.calibration.constants import LEVELS
from fleetopt.performance.calibration.seconds import CAUSES, NOMINAL, Floats

_SCALE = 0.1
"""Relative error from which on a row loses weight."""
_RIDGE = 20.0
"""Rows that repeat one another count as one; this many on average."""
_FURTHEST = 0.7
_CLOSE = 3e-3
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """Measured rows as arrays.

    units: o u(decode) + c u(prompt), shape (n, 12). e2e_s: seconds, shape (n,).
    members: index of the level of each kind, shape (n, 5); the last is a group's own, and
        all rows of a group agree in the others. names: of the levels.
    """

    units: Floats
    e2e_s: Floats
    members: NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, units: Floats, e2e_s: Floats, levels: Sequence[tuple[str, ...]]) -> Rows:
        """Rows with the levels that each belongs to."""
        index: dict[str, int] = {}
        members = [[index.setdefault(name, len(index)) for name in row] for row in levels]
        return cls(units, e2e_s, np.array(members, dtype=np.int64), tuple(index))

    def fit(self, used: Mask, start: Floats | None = None, prior: Floats | None = None,
            iterations: int = 25) -> Floats:  # fmt: skip
        """Logarithms of the factors by level, shape (levels, 12), from the rows that are used.

        start: where to begin; prior: what the ridges pull to, 0 if absent.
        """
        sigma = np.array([LEVELS[name.split(" ")[0]] for name in self.names])
        ridge = _RIDGE / sigma**2
        mean = np.zeros((len(self.names), len(CAUSES))) if prior is None else prior
        logs = mean.copy() if start is None else start.copy()
        for _ in range(iterations):
            step = self._step(used, logs, ridge, ridge[:, None] * (logs - mean))
            logs += np.clip(step, -_FURTHEST, _FURTHEST)
            if np.abs(step).max() < _CLOSE:
                break
        return logs

    def predicted_s(self, logs: Floats) -> Floats:
        """E2E seconds of every row with these factors."""
        return np.asarray(self._parts(slice(None), logs).sum(axis=1))

    def without(self, logs: Floats, kept: Mask) -> Floats:
        """Factors where levels that only other rows belong to are 1 again."""
        lonely = np.setdiff1d(self.members[~kept], self.members[kept])
        left = logs.copy()
        left[lonely] = 0.0
        return left

    def named(self, logs: Floats) -> dict[str, Floats]:
        """Factors by the name of their level."""
        return dict(zip(self.names, logs, strict=True))

    def stacked(self, logs: Mapping[str, Floats]) -> Floats:
        """Factors in the order of the levels; 1 where a name is not known."""
        zero = np.zeros(len(CAUSES))
        return np.array([logs.get(name, zero) for name in self.names])

    def _parts(self, rows: Mask | slice, logs: Floats) -> Floats:
        theta = NOMINAL * np.exp(logs[self.members[rows]].sum(axis=1))
        return np.asarray(self.units[rows] * theta)

    def _step(self, used: Mask, logs: Floats, ridge: Floats, pull: Floats) -> Floats:
        """Gauss-Newton step of all levels, by elimination of the groups.

        A row depends on the factors of all its levels in the same way, so that a group's rows
        give one matrix M and one gradient g for each pair of its levels. With A = M + ridge of
        the group itself, the other levels see M - M A^-1 M and g - M A^-1 (g + pull).
        """
        causes = len(CAUSES)
        normal = np.diag(np.repeat(ridge, causes))
        gradient = pull.copy()
        groups = []
        for levels, matrix, slope in self._groups(used, logs):
            own, shared = levels[-1], levels[:-1]
            inverse = np.linalg.inv(matrix + ridge[own] * np.eye(causes))
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

    def _groups(
        self, used: Mask, logs: Floats
    ) -> Iterator[tuple[NDArray[np.int64], Floats, Floats]]:
        """Levels of each group that has rows, their weighted matrix and their gradient."""
        parts = self._parts(used, logs)
        whole = parts.sum(axis=1)
        residual = np.log(whole / self.e2e_s[used])
        weight = 1.0 / np.sqrt(1.0 + (residual / _SCALE) ** 2) / _SCALE**2
        share = parts / whole[:, None]
        groups, home = np.unique(self.members[used], axis=0, return_inverse=True)
        for i, levels in enumerate(groups):
            mine = home.ravel() == i
            weighted = share[mine] * weight[mine, None]
            yield levels, weighted.T @ share[mine], weighted.T @ residual[mine]
