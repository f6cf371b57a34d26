"""The constants of a calibration, from what holds anywhere to what holds for one engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleetopt.performance.calibration.seconds import CAUSES, NOMINAL, Floats

SCHEMA = "fleetopt.calibration/1"
LEVELS = {"any": 0.5, "kind": 0.15, "model": 0.15, "gpu": 0.07, "group": 0.3}
"""Standard deviation of the logarithm of a constant, given those of the levels before: any
engine; engine and kind of model; engine and model; engine and GPU; the group itself."""
FIRST_TOKEN_S, FIRST_TOKEN_FACTOR = 0.02, 1.0


def level_names(backend: str, kind: str, llm: str, gpu: str) -> tuple[str, ...]:
    """Levels that a measurement belongs to, in the order of LEVELS."""
    return (
        "any",
        f"kind {backend} {kind}",
        f"model {backend} {llm}",
        f"gpu {backend} {gpu}",
        f"group {gpu} {backend} {llm}",
    )


@dataclass(frozen=True, eq=False)
class Constants:
    """Seconds of each unit, as factors of NOMINAL that multiply over levels.

    logs: logarithm of the factor of each cause by level, shape (12,); absent levels are 1.
    first_token: by engine and kind of model, (seconds outside the engine, factor of the
        simulated TTFT).
    groups: those that the constants were fitted to.
    source: where they come from.
    """

    logs: Mapping[str, Floats]
    first_token: Mapping[str, tuple[float, float]]
    groups: tuple[str, ...]
    source: str

    def seconds(self, levels: tuple[str, ...]) -> Floats:
        """Seconds of one unit of each cause; levels that nobody measured fall back."""
        zero = np.zeros(len(CAUSES))
        return np.asarray(NOMINAL * np.exp(sum((self.logs.get(n, zero) for n in levels), zero)))

    def first_token_s(self, backend: str, kind: str, simulated_s: float) -> float:
        """TTFT as clients see it, from the simulated one."""
        outside_s, factor = self.first_token.get(
            f"{backend} {kind}", (FIRST_TOKEN_S, FIRST_TOKEN_FACTOR)
        )
        return outside_s + factor * simulated_s

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: factors of every level."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "causes": list(CAUSES),
            "nominal": [float(value) for value in NOMINAL],
            "factors": {
                name: [round(float(value), 4) for value in np.exp(logs)]
                for name, logs in self.logs.items()
            },
            "first_token": {
                name: [round(value, 4) for value in pair] for name, pair in self.first_token.items()
            },
            "groups": list(self.groups),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Constants:
        """Constants that `to_dict` wrote."""
        return cls(
            {name: np.log(np.array(values)) for name, values in data["factors"].items()},
            {name: (pair[0], pair[1]) for name, pair in data["first_token"].items()},
            tuple(data["groups"]),
            str(data["source"]),
        )


NONE = Constants({}, {}, (), "not calibrated")
"""What holds before any measurement."""
