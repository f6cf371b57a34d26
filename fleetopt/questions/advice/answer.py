"""What every answer has: the fleets on its sides, the rules on them, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fleetopt.problem import FleetProblem
from fleetopt.questions.advice.ruling import Ruling, Traits
from fleetopt.questions.advice.side import Side

Question = Literal[
    "split", "where", "gpu", "mix", "long_context", "disaggregate", "simulate", "margin"
]
Certainty = Literal["simulated", "table", "count"]
"""Every fleet that decides passed or failed in the simulator; by the tables; by mean rates."""


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    chosen: the better side. other: the best of the other side; None if there is none.
    sides: all that were compared. figures: numbers of the question's own, units in the names.
    """

    question: Question
    chosen: Side
    other: Side | None
    rulings: tuple[Ruling, ...]
    certainty: Certainty
    sides: tuple[Side, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Advice:
    """All answers on one workload, in the order of the published summary.

    plan: the cheapest fleet, from which they start. arrival_rate: requests per second of the
    design. notes: what to know of the lengths.
    """

    problem: FleetProblem
    arrival_rate: float
    plan: Side
    traits: Traits
    answers: tuple[Answer, ...]
    notes: tuple[str, ...]

    def answer(self, question: Question) -> Answer:
        """The answer to one of the questions."""
        return next(answer for answer in self.answers if answer.question == question)

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """All rules."""
        return tuple(ruling for answer in self.answers for ruling in answer.rulings)


def certainty(*sides: Side | None) -> Certainty:
    """Of an answer that these fleets decide."""
    known = [side for side in sides if side is not None and side.fleet is not None]
    return "simulated" if known and all(side.said for side in known) else "table"
