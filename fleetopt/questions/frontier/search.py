"""The program of a case under two objectives, asked for its frontier."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.optimization.design import USERS_ROWS, Design, solve_options
from fleetopt.optimization.drafts import Drafts
from fleetopt.optimization.epsilon import LimitedProgram
from fleetopt.optimization.lazily import design_of
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


@dataclass(frozen=True, eq=False)
class _Posed:
    """A design, and the program of its fleets with the latencies of their rows."""

    design: Design
    percentiles: Percentiles
    program: LimitedProgram

    @classmethod
    def of(cls, design: Design, drafts: Drafts | None = None) -> _Posed:
        """Of the design's candidates, or of drafts of them."""
        case, made = design.case, drafts or design
        percentiles = Percentiles(case.problem, made.table)
        program = LimitedProgram(
            made.candidates,
            len(case.nodes),
            case.problem.max_pools,
            percentiles,
            design.side,
            solve_options(case.problem),
            design.row,
            drafts.evaluated if drafts else None,
        )
        return cls(design, percentiles, program)


class Search:
    """The program of a case under two objectives, with its rows as the table sees them."""

    def __init__(self, case: Case, first: Objective, second: Objective, *, grey: bool) -> None:
        self._case, self._grey = case, grey
        self._drawn = first in DRAWN or second in DRAWN
        self._stated = (first, second)
        self._ordered = (second, first) if first in WORST and second not in WORST else self._stated
        self._posed = self._evaluated_as_asked()

    def _evaluated_as_asked(self) -> _Posed:
        """All fleets; tables are evaluated as they are asked for where the method has a bound."""
        problem, drawn = self._case.problem, self._drawn
        at_once = problem.method == "published" or problem.slo_scope == "fleet"
        tables = None if at_once else ()
        design = Design(
            self._case, grey=self._grey, extra_rows=USERS_ROWS, tables=tables, drawn=drawn
        )
        return _Posed.of(design, None if at_once else Drafts(design))

    def points(self) -> list[Point]:
        """The present frontier. Raises InfeasibleError if it is empty."""
        found = list(non_dominated(self._posed.program, *self._ordered))
        if not found:
            raise explained(self._beside())
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
            self._case.problem,
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
        case = self._case
        used = {pool.profile for point in points for pool in point.fleet.pools}
        yield from known_powers(case, (case.profile(name) for name in sorted(used)))

    def _verified(self, point: Point, judge: Verifier) -> Verification:
        if self._case.problem.slo_scope == "pool":
            verdicts = verdicts_on(judge, point.solution)
            phases = [candidate.phase for candidate, _ in point.solution.chosen]
            return verification(verdicts, judge.options, trace=judge.traffic, phases=phases)
        together = judge.together([judged(*pool) for pool in point.solution.chosen])
        return verification(together.pools, judge.options, together, judge.traffic)

    def _refuse(self, point: Point, said: Verification) -> None:
        for (candidate, row), pool in zip(point.solution.chosen, said.pools, strict=True):
            if pool.verdict in REFUSED:
                self._posed.program.refuse(candidate.index, row.replicas)

    def _point(self, point: Point, said: Verification | None = None) -> FrontierPoint:
        epsilon = point.epsilon if math.isfinite(point.epsilon) else None
        return self._fleet(self._posed, point.solution, epsilon, said)

    def _fleet(
        self,
        posed: _Posed,
        solution: Solution,
        epsilon: float | None = None,
        said: Verification | None = None,
    ) -> FrontierPoint:
        first, second = (posed.program.value(name, solution) for name in self._stated)
        return FrontierPoint(
            values=(first, second),
            usd_per_year=solution.usd_per_hour * HOURS_PER_YEAR,
            fleet=fleet_of(posed.design, solution.chosen),
            epsilon=epsilon,
            gap=solution.gap,
            termination=solution.termination.value,
            verification=said,
        )

    def _beside(self) -> Design:
        """The design of the case by itself, whatever the objectives are."""
        return design_of(self._case, grey=self._grey, extra_rows=USERS_ROWS, drawn=self._drawn)

    def _dominated(self, points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
        """Fleets of least cost that are on no point and that some point dominates."""
        design = self._beside()
        found = design.best(MOST_DOMINATED)
        posed = _Posed.of(design)
        fleets = [self._fleet(posed, solution) for solution in found]
        return [
            other
            for other in fleets
            if any(_dominates(point.values, other.values) for point in points)
        ]

    def _axis(self, objective: Objective) -> Axis:
        problem = self._case.problem
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
        bound = self._posed.percentiles.bounds.get(objective)
        percentile = self._posed.percentiles.of(objective)
        return Axis(objective, _UNITS[objective], percentile, bound.limit_ms if bound else None)


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]
