"""The objective of a plan, where it is not the cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Objective:
    """What the plan is best at, where that is the user's own objective and not the cost.

    name, meaning: of the component in the model; the meaning is its `doc`.
    sense: "least" or "most".
    value: of the plan, in the units of the objective.
    bound: the solver's; no fleet that is left in the program is better.
    first: value of the first optimum, before simulation refused any row.
    """

    name: str
    meaning: str
    sense: Literal["least", "most"]
    value: float
    bound: float
    first: float
    __pydantic_config__: ClassVar = {"extra": "forbid"}
