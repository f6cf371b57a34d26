"""What the runs of a group tell of its factors, without the runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleetopt.performance.calibration.seconds import Floats


@dataclass(frozen=True, eq=False)
class Summary:
    """The loss of a group's runs near some factors: slope (x - at) + (x - at) matrix (x - at) / 2.

    x: sum of the logarithms of its levels. levels: their names, the group's own last.
    at, slope: shape (causes,); matrix: shape (causes, causes), symmetric.
    """

    levels: tuple[str, ...]
    at: Floats
    slope: Floats
    matrix: Floats

    @property
    def group(self) -> str:
        """GPU, engine and model, such as 'h100 vllm qwen3-32b'."""
        return " ".join(self.levels[-1].split(" ")[1:4])

    def slope_at(self, logs: Floats) -> Floats:
        """The slope where the logarithms of the levels sum up to these."""
        return np.asarray(self.slope + self.matrix @ (logs - self.at))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with the upper half of the matrix; `at` follows from the factors."""
        half = self.matrix[np.triu_indices(len(self.slope))]
        return {
            "levels": list(self.levels),
            "slope": [_rounded(value) for value in self.slope],
            "matrix": [_rounded(value) for value in half],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], logs: Mapping[str, Floats]) -> Summary:
        """A summary that `to_dict` wrote; logs: of every level."""
        levels, slope = tuple(data["levels"]), np.array(data["slope"])
        matrix = np.zeros((len(slope), len(slope)))
        matrix[np.triu_indices(len(slope))] = data["matrix"]
        whole = matrix + np.triu(matrix, 1).T
        return cls(levels, np.asarray(sum(logs[name] for name in levels)), slope, whole)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
