"""A fleet on one side of a question, from a plan, a program or pools by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetopt.optimization.design import Design
from fleetopt.optimization.solver import Holding, Solution
from fleetopt.plan import HOURS_PER_YEAR, Fleet, Plan, PoolVerification, Verdict
from fleetopt.study.assembly import fleet_of


@dataclass(frozen=True)
class Side:
    """A fleet that answers a question in one way.

    fleet: None if there is none, and `why` says so. usd_per_year: infinite then.
    predicted_ms: the worst pool's P99 TTFT by the table; None where it predicts none.
    verdict: of the simulator. said: on each pool; empty if it was not asked.
    """

    label: str
    fleet: Fleet | None
    usd_per_year: float = math.inf
    predicted_ms: float | None = None
    verdict: Verdict = "not verified"
    said: tuple[PoolVerification, ...] = ()
    why: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the simulator does not accept it."""
        return self.verdict not in ("pass", "not verified")

    @property
    def gpus(self) -> int:
        """GPUs of all pools."""
        return self.fleet.gpus if self.fleet else 0

    @property
    def thresholds(self) -> tuple[int, ...]:
        """Where it splits."""
        return tuple(pool.hi_tokens for pool in self.fleet.pools[:-1]) if self.fleet else ()

    @property
    def types(self) -> tuple[str, ...]:
        """Its GPU types."""
        return tuple(dict.fromkeys(pool.gpu for pool in self.fleet.pools)) if self.fleet else ()

    def costs_more_than(self, other: Side) -> bool:
        """By more than rounding."""
        return self.usd_per_year > other.usd_per_year * (1.0 + 1e-9)


def of_solution(label: str, design: Design, found: Solution) -> Side:
    """The fleet of a program's solution, by the table."""
    if found.holding is Holding.NONE:
        return Side(label, None, why="no fleet keeps the SLO, by the table")
    rows = [design.table(c).row(row.replicas) for c, row in found.chosen]
    predicted = [1000.0 * s for row in rows if (s := row.percentile_s("ttft", 99.0)) is not None]
    return Side(
        label,
        fleet_of(design, found.chosen),
        found.usd_per_hour * HOURS_PER_YEAR,
        max(predicted, default=None),
    )


def of_plan(label: str, plan: Plan) -> Side:
    """The fleet of a plan with what is known of it."""
    seen = plan.verification
    predicted = [p.p99_ttft_ms for p in plan.prediction.pools]
    return Side(
        label=label,
        fleet=plan.fleet,
        usd_per_year=plan.cost.usd_per_year,
        predicted_ms=max((ms for ms in predicted if ms is not None), default=None),
        verdict=seen.verdict if seen else "not verified",
        said=seen.pools if seen else (),
    )
