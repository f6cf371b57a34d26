"""What a fleet can be judged by: sums over its pools, and the latency of its worst pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from fleetopt.optimization.candidates import Candidate, Row

Objective = Literal["cost", "ttft", "tpot", "gpus", "power", "mean-power", "energy", "carbon"]
Sum = Literal["cost", "gpus", "power", "mean-power", "energy", "carbon"]
Worst = Literal["ttft", "tpot"]
Chosen = Sequence[tuple[Candidate, Row]]
Limits = Mapping[Objective, float]
"""The most that an objective may be, in its own unit."""


class Latencies(Protocol):
    """Latencies of rows, in milliseconds."""

    def value_ms(self, name: Worst, candidate: Candidate, row: Row) -> float:
        """The percentile that counts."""
        ...

    def exceeds(self, name: Worst, candidate: Candidate, row: Row, limit_ms: float) -> bool:
        """Whether it is above a limit, which is quicker to tell than its value."""
        ...

    def is_never_within(self, name: Worst, candidate: Candidate, limit_ms: float) -> bool:
        """Whether it is above a limit for every row, as it is on idle replicas."""
        ...


DRAWN: tuple[Sum, ...] = ("mean-power", "energy", "carbon")
"""What follows from the mean draw of rows: kW, MWh a year and tonnes of CO2 a year."""
SUMS: tuple[Sum, ...] = ("cost", "gpus", "power", *DRAWN)
"""USD a year, GPUs bought, kW with every slot busy, and those of the mean draw."""
WORST: tuple[Worst, ...] = ("ttft", "tpot")
"""Percentiles in milliseconds."""
OBJECTIVES: tuple[Objective, ...] = ("cost", "ttft", "tpot", "gpus", "power", *DRAWN)

LATENCY_RESOLUTION = 2e-5
"""Relative distance below which latencies are the same: twice the width of a percentile."""
SUM_RESOLUTION = 5e-6
"""Relative distance below which sums are the same: several times what a solver, to which 1 - 1e-6
is a whole number, may be off."""
_LEAST_STEP: dict[Objective, float] = {
    "cost": 0.1, "gpus": 0.5, "power": 1e-5, "mean-power": 1e-5, "energy": 1e-4, "carbon": 1e-5,
}  # fmt: skip
"""Distances below which sums are the same, in their units."""


def just_below(objective: Objective, value: float) -> float:
    """The largest value that counts as less."""
    if objective in WORST:
        return value * (1.0 - LATENCY_RESOLUTION)
    return value - max(SUM_RESOLUTION * value, _LEAST_STEP[objective])


def no_more(objective: Objective, value: float) -> float:
    """The largest value that counts as the same."""
    if objective in WORST:
        return value * (1.0 + 0.5 * LATENCY_RESOLUTION)
    return value + 0.5 * max(SUM_RESOLUTION * value, _LEAST_STEP[objective])
