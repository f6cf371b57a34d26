"""The constants of a calibration, from what holds anywhere to what holds for one engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fleetopt.performance.calibration.equation import DECODING, FIRST_TOKEN, Equation
from fleetopt.performance.calibration.outside import FirstToken
from fleetopt.performance.calibration.seconds import CAUSES, Floats
from fleetopt.performance.calibration.summary import Summary

SCHEMA = "fleetopt.calibration/2"


@dataclass(frozen=True, eq=False)
class Factors:
    """Factors of the nominal seconds of an equation.

    logs: their logarithms by level, each of shape (causes,); absent levels are 1.
    summaries: what the groups tell that they were fitted to.
    """

    logs: Mapping[str, Floats] = field(default_factory=dict)
    summaries: tuple[Summary, ...] = ()

    def seconds(self, equation: Equation, levels: tuple[str, ...]) -> Floats:
        """Seconds of one unit of each cause; levels that nobody measured fall back."""
        zero = np.zeros(len(equation.nominal))
        logs = sum((self.logs.get(name, zero) for name in levels), zero)
        return np.asarray(equation.nominal * np.exp(logs))

    def without(self, groups: Collection[str]) -> tuple[Summary, ...]:
        """Summaries of all other groups."""
        return tuple(each for each in self.summaries if each.group not in groups)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        factors = {
            name: [round(float(value), 4) for value in np.exp(logs)]
            for name, logs in self.logs.items()
        }
        return {"factors": factors, "summaries": [each.to_dict() for each in self.summaries]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Factors:
        """Factors that `to_dict` wrote."""
        logs = {name: np.log(np.array(values)) for name, values in data["factors"].items()}
        return cls(logs, tuple(Summary.from_dict(each, logs) for each in data["summaries"]))


@dataclass(frozen=True, eq=False)
class Constants:
    """What engines lose against data sheets.

    decoding, first_token: factors of the equations of the same names.
    groups: those that the constants were fitted to. source: where they come from.
    """

    decoding: Factors
    first_token: Factors
    groups: tuple[str, ...]
    source: str

    def seconds(self, levels: tuple[str, ...]) -> Floats:
        """Seconds of one unit of each of CAUSES, shape (12,)."""
        return self.decoding.seconds(DECODING, levels)

    def first_token_of(self, levels: tuple[str, ...]) -> FirstToken:
        """What clients wait for a first token."""
        return FirstToken(*self.first_token.seconds(FIRST_TOKEN, levels).tolist())

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: factors of every level."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "causes": list(CAUSES),
            "nominal": [float(value) for value in DECODING.nominal],
            "decoding": self.decoding.to_dict(),
            "first_token": self.first_token.to_dict(),
            "groups": list(self.groups),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Constants:
        """Constants that `to_dict` wrote."""
        return cls(
            Factors.from_dict(data["decoding"]),
            Factors.from_dict(data["first_token"]),
            tuple(data["groups"]),
            str(data["source"]),
        )


NONE = Constants(Factors(), Factors(), (), "not calibrated")
"""What holds before any measurement."""
