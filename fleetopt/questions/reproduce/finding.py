"""A published statement that is known to differ from what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleetopt.plan import Interval
from fleetopt.questions.reproduce.bench import Bench

Measured = Mapping[str, float | Interval | str]


@dataclass(frozen=True)
class Finding:
    """A published statement, and what is measured.

    measured: figures by their name. said: what follows, in a sentence.
    """

    key: str
    published: str
    measured: Measured
    said: str


Measure = Callable[[Bench], Finding]
