"""The program of a case under two objectives, asked for its frontier."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.optimization.design import USERS_ROWS, Design, solve_options
from fleetopt.optimization.drafts import Drafts
from fleetopt.optimization.epsilon import LimitedProgram
from fleetopt.optimization.objectives import DRAWN, WORST, Objective
from fleetopt.optimization.pareto import Point, non_dominated
from fleetopt.optimization.solver import Solution
from fleetopt.plan import HOURS_PER_YEAR, Verification
from fleetopt.questions.frontier.answer import Axis, Frontier, FrontierPoint
from fleetopt.questions.frontier.percentiles import Percentiles
from fleetopt.study.assembly import fleet_of, verification
from fleetopt.study.energy import known_powers
from fleetopt.study.infeasible import explained
from fleetopt.verification import REFUSED, Verifier, judged, verdicts_on

MOST_DOMINATED = 24
"""Fleets of least cost that are looked at beside the frontier."""
MOST_REFUSED = 300
"""Refused points after which the simulator and the table are taken to disagree for good."""
_UNITS: dict[Objective, str] = {
    "cost": "USD/year", "ttft": "ms", "tpot": "ms", "gpus": "GPUs", "power": "kW",
    "mean-power": "kW", "energy": "MWh/year", "carbon": "t/year",
}  # fmt: skip


class Search:
    """The program of a case under two objectives, with its rows as the table sees them."""

    def __init__(self, case: Case, first: Objective, second: Objective, *, grey: bool) -> None:
        drawn = first in DRAWN or second in DRAWN
        problem, self._grey = case.problem, grey
        lazily = problem.method == "fleetopt" and problem.slo_scope == "pool"
        self._design = Design(
            case, grey=grey, extra_rows=USERS_ROWS, drawn=drawn, tables=() if lazily else None
        )
        drafts = Drafts(self._design) if lazily else None
        self._stated = (first, second)
        self._ordered = (second, first) if first in WORST and second not in WORST else self._stated
        table = drafts.table if drafts else self._design.table
        self._percentiles = Percentiles(problem, table)
        self._program = LimitedProgram(
            drafts.candidates if drafts else self._design.candidates,
            len(case.nodes),
            problem.max_pools,
            self._percentiles,
            self._design.side,
            solve_options(problem),
            self._design.row,
            drafts.evaluated if drafts else None,
        )

    def points(self) -> list[Point]:
        """The present frontier. Raises InfeasibleError if it is empty."""
        found = list(non_dominated(self._program, *self._ordered))
        if not found:
            raise explained(self._design)
        return found

    def verified(self, judge: Verifier, cutting: bool, dominated: bool) -> Frontier:
        """The frontier of fleets that the simulator accepts."""
        refused: list[FrontierPoint] = []
        while True:
            points = self.points()
            known = {id(point): self._verified(point, judge) for point in points}
            failed = [point for point in points if known[id(point)].verdict in REFUSED]
            refused += [self._point(point, known[id(point)]) for point in failed]
            if not failed or not cutting:
                kept = [point for point in points if point not in failed]
                return self.frontier(kept, refused, dominated, known)
            if len(refused) > MOST_REFUSED:
                raise InfeasibleError(
                    f"no frontier passed the simulator: it refused {len(refused)} of its points; "
                    "a longer SLO, looser limits or paged admission may help"
                )
            for point in failed:
                self._refuse(point, known[id(point)])

    def frontier(
        self,
        points: Sequence[Point],
        refused: Sequence[FrontierPoint],
        dominated: bool,
        known: dict[int, Verification] | None = None,
    ) -> Frontier:
        """The result of some points."""
        made = [self._point(point, (known or {}).get(id(point))) for point in points]
        made.sort(key=lambda point: point.values)
        others = self._dominated(made) if dominated else []
        first, second = (self._axis(objective) for objective in self._stated)
        return Frontier(
            self._design.case.problem,
            (first, second),
            self._ordered[1],
            tuple(made),
            tuple(refused),
            tuple(others),
            tuple(self._notes(made)),
        )

    def _notes(self, points: Sequence[FrontierPoint]) -> Iterator[str]:
        if not any(name == "power" or name in DRAWN for name in self._stated):
            return
        case = self._design.case
        used = {pool.profile for point in points for pool in point.fleet.pools}
        yield from known_powers(case, (case.profile(name) for name in sorted(used)))

    def _verified(self, point: Point, judge: Verifier) -> Verification:
        if self._design.case.problem.slo_scope == "pool":
            verdicts = verdicts_on(judge, point.solution)
            return verification(verdicts, judge.options, trace=judge.traffic)
        together = judge.together([judged(*pool) for pool in point.solution.chosen])
        return verification(together.pools, judge.options, together, judge.traffic)

    def _refuse(self, point: Point, said: Verification) -> None:
        for (candidate, row), pool in zip(point.solution.chosen, said.pools, strict=True):
            if pool.verdict in REFUSED:
                self._program.refuse(candidate.index, row.replicas)

    def _point(self, point: Point, said: Verification | None = None) -> FrontierPoint:
        epsilon = point.epsilon if math.isfinite(point.epsilon) else None
        return self._fleet(point.solution, epsilon, said)

    def _fleet(
        self, solution: Solution, epsilon: float | None, said: Verification | None = None
    ) -> FrontierPoint:
        first, second = (self._program.value(name, solution) for name in self._stated)
        return FrontierPoint(
            values=(first, second),
            usd_per_year=solution.usd_per_hour * HOURS_PER_YEAR,
            fleet=fleet_of(self._design, solution.chosen),
            epsilon=epsilon,
            gap=solution.gap,
            termination=solution.termination.value,
            verification=said,
        )

    def _dominated(self, points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
        """Fleets of least cost that are on no point and that some point dominates."""
        fleets = [self._fleet(s, None) for s in self._design.best(MOST_DOMINATED)]
        return [
            other
            for other in fleets
            if any(_dominates(point.values, other.values) for point in points)
        ]

    def _axis(self, objective: Objective) -> Axis:
        problem = self._design.case.problem
        limits: dict[Objective, float | None] = {
            "cost": problem.budget_usd_per_year,
            "gpus": problem.max_gpus,
            "power": problem.power_kw,
            "mean-power": problem.mean_power_kw,
            "energy": problem.energy_mwh_per_year,
            "carbon": problem.carbon_tonnes_per_year,
        }
        if objective not in WORST:
            return Axis(objective, _UNITS[objective], None, limits[objective])
        bound = self._percentiles.bounds.get(objective)
        percentile = self._percentiles.of(objective)
        return Axis(objective, _UNITS[objective], percentile, bound.limit_ms if bound else None)


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]
