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
_NODE_GROUPS = 8
FirstToken = tuple[float, float, float]
FIRST_TOKEN: FirstToken = (0.02, 1.0, 1.0)
"""Seconds outside the engine, factor of the simulated TTFT, iterations that pass before it."""


def level_names(backend: str, kind: str, llm: str, gpu: str) -> tuple[str, ...]:
    """Levels that a measurement belongs to, in the order of LEVELS."""
    return (
        "any",
        f"kind {backend} {kind}",
        f"model {backend} {llm}",
        f"gpu {backend} {gpu}",
        f"group {gpu} {backend} {llm}",
    )


def first_token_name(backend: str, kind: str, groups: int) -> str:
    """What the constants of a first token go by.

    Attention groups wait for one another; those of several nodes have phases apart.
    """
    spread = " racks" if groups > _NODE_GROUPS else " groups" if groups > 1 else ""
    return f"{backend} {kind}{spread}"


@dataclass(frozen=True, eq=False)
class Constants:
    """Seconds of each unit, as factors of NOMINAL that multiply over levels.

    logs: logarithm of the factor of each cause by level, shape (12,); absent levels are 1.
    first_token: by engine and kind of model, as FIRST_TOKEN says.
    groups: those that the constants were fitted to.
    source: where they come from.
    """

    logs: Mapping[str, Floats]
    first_token: Mapping[str, FirstToken]
    groups: tuple[str, ...]
    source: str

    def seconds(self, levels: tuple[str, ...]) -> Floats:
        """Seconds of one unit of each cause; levels that nobody measured fall back."""
        zero = np.zeros(len(CAUSES))
        return np.asarray(NOMINAL * np.exp(sum((self.logs.get(n, zero) for n in levels), zero)))

    def first_token_of(self, name: str) -> FirstToken:
        """The constants of a first token, as FIRST_TOKEN where nothing is known."""
        alone = self.first_token.get(" ".join(name.split(" ")[:2]), FIRST_TOKEN)
        return self.first_token.get(name, alone)

    def first_token_s(self, name: str, simulated_s: float, iteration_s: float) -> float:
        """TTFT as clients see it, from the simulated one and the time of an iteration."""
        outside_s, factor, iterations = self.first_token_of(name)
        return outside_s + factor * simulated_s + iterations * iteration_s

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
                name: [round(value, 4) for value in each] for name, each in self.first_token.items()
            },
            "groups": list(self.groups),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Constants:
        """Constants that `to_dict` wrote."""
        return cls(
            {name: np.log(np.array(values)) for name, values in data["factors"].items()},
            {name: (each[0], each[1], each[2]) for name, each in data["first_token"].items()},
            tuple(data["groups"]),
            str(data["source"]),
        )


NONE = Constants({}, {}, (), "not calibrated")
"""What holds before any measurement."""
