"""A frontier as an answer: its two axes, and the fleets on it."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.optimization.objectives import Objective
from fleetopt.plan import Fleet, Verification
from fleetopt.problem import FleetProblem

_LABELS: dict[Objective, str] = {
    "cost": "Cost", "gpus": "GPUs", "power": "Power", "mean-power": "Mean power",
    "energy": "Energy", "carbon": "CO2",
}  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """One objective of a frontier.

    percentile: of a latency, as the SLO bounds it, else 99; None for the others.
    limit: what the problem allows, in the same unit; None if it does not limit this.
    """

    objective: Objective
    unit: str
    percentile: float | None
    limit: float | None

    @property
    def label(self) -> str:
        """In words, such as 'P99 TTFT'."""
        if self.percentile is None:
            return _LABELS[self.objective]
        return f"P{self.percentile:g} {self.objective.upper()}"


@dataclass(frozen=True)
class FrontierPoint:
    """A fleet and what it does in both objectives, by the table.

    values: in the order and units of the frontier's axes; latencies are the worst pool's.
    epsilon: the most that `Frontier.bounded` was allowed when it was found; None without one.
    gap, termination: of the solve that found it.
    verification: what the simulator says; None if it was not asked.
    """

    values: tuple[float, float]
    usd_per_year: float
    fleet: Fleet
    epsilon: float | None
    gap: float
    termination: str
    verification: Verification | None = None

    @property
    def verdict(self) -> str:
        """The simulator's verdict, or 'not verified'."""
        return self.verification.verdict if self.verification else "not verified"

    @property
    def is_disaggregated(self) -> bool:
        """Whether any of its pools prefill or decode alone."""
        return bool(self.fleet.pairs)


@dataclass(frozen=True)
class Frontier:
    """The non-dominated fleets for two objectives, the first of them ascending.

    bounded: the objective that epsilon bounds.
    refused: fleets that were on the frontier until the simulator refused one of their pools.
    dominated: cheap fleets that a point beats in both objectives, if they were asked for.
    notes: how well the power of the fleets is known, where an objective is of it.
    """

    problem: FleetProblem
    axes: tuple[Axis, Axis]
    bounded: Objective
    points: tuple[FrontierPoint, ...]
    refused: tuple[FrontierPoint, ...] = ()
    dominated: tuple[FrontierPoint, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether there are points, and the simulator accepts them all."""
        return bool(self.points) and all(point.verdict == "pass" for point in self.points)

    @property
    def knee(self) -> FrontierPoint | None:
        """The point farthest below the line between the ends, both axes scaled to their range."""
        if len(self.points) < 3:
            return None
        (left, top), (right, bottom) = self.points[0].values, self.points[-1].values

        def below(point: FrontierPoint) -> float:
            x, y = point.values
            return 1.0 - (x - left) / (right - left) - (y - bottom) / (top - bottom)

        return max(self.points[1:-1], key=below)
