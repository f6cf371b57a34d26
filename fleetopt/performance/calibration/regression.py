"""Constants from measured runs: hierarchical robust least squares of relative errors.

A request of o output tokens among c clients takes o iterations of the decode batch and its share
of c prompts, so that with the units u of the causes and the seconds theta of each

    e2e = sum_k theta_k (o u_k(decode) + c u_k(prompt)),   theta_k = nominal_k exp(sum_l b_lk)

over the levels l of LEVELS. The logarithms b are found by Gauss-Newton with ridges b / sigma_l and
the weights of a soft-L1 loss. Clients that queue for slots do not follow the equation, and are
left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    members: index of the level of each kind, shape (n, 5). names: of the levels.
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
        ridge = np.repeat(_RIDGE / sigma**2, len(CAUSES))
        mean = np.zeros((len(self.names), len(CAUSES))) if prior is None else prior
        logs = mean.copy() if start is None else start.copy()
        for _ in range(iterations):
            normal, gradient = self._normal(used, logs)
            gradient += ridge * (logs - mean).ravel()
            step = np.linalg.solve(normal + np.diag(ridge), -gradient).reshape(logs.shape)
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

    def _normal(self, used: Mask, logs: Floats) -> tuple[Floats, Floats]:
        """Weighted normal matrix and gradient of the logarithmic residuals.

        A row depends on the factors of all its levels in the same way, so that the matrix is
        that of each home, a set of levels, repeated over them.
        """
        parts = self._parts(used, logs)
        whole = parts.sum(axis=1)
        residual = np.log(whole / self.e2e_s[used])
        weight = 1.0 / np.sqrt(1.0 + (residual / _SCALE) ** 2) / _SCALE**2
        share = parts / whole[:, None]
        normal = np.zeros((logs.size, logs.size))
        gradient = np.zeros(logs.shape)
        homes, home = np.unique(self.members[used], axis=0, return_inverse=True)
        for i, levels in enumerate(homes):
            mine = home.ravel() == i
            weighted = share[mine] * weight[mine, None]
            columns = (levels[:, None] * len(CAUSES) + np.arange(len(CAUSES))).ravel()
            both = np.tile(weighted.T @ share[mine], (levels.size, levels.size))
            normal[np.ix_(columns, columns)] += both
            gradient[levels] += weighted.T @ residual[mine]
        return normal, gradient.ravel()
