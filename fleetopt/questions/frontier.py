"""The frontier: every fleet that no other beats in both of two objectives.

The fleets keep the SLO and all side constraints of the problem. Verified points come from
the cut loop: a pool that the simulator refuses leaves the program, and the frontier is
computed again, until every fleet on it is accepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fleetopt.case import Case
from fleetopt.errors import Fault, InfeasibleError, InputError, near
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import USERS_ROWS, Design, solve_options
from fleetopt.optimization.epsilon import LimitedProgram
from fleetopt.optimization.objectives import DRAWN, OBJECTIVES, WORST, Objective, Worst
from fleetopt.optimization.pareto import Point, non_dominated
from fleetopt.optimization.solver import Solution
from fleetopt.plan import HOURS_PER_YEAR, Fleet, Verification
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.study.assembly import fleet_of, verification
from fleetopt.study.infeasible import explained
from fleetopt.study.judging import judge_of
from fleetopt.verification import REFUSED, Verifier, judged, verdicts_on

MOST_DOMINATED = 24
"""Fleets of least cost that are looked at beside the frontier."""
MOST_REFUSED = 300
"""Refused points after which the simulator and the table are taken to disagree for good."""
_UNITS: dict[Objective, str] = {
    "cost": "USD/year", "ttft": "ms", "tpot": "ms", "gpus": "GPUs", "power": "kW",
    "mean-power": "kW", "energy": "MWh/year", "carbon": "t/year",
}  # fmt: skip
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


@dataclass(frozen=True)
class Frontier:
    """The non-dominated fleets for two objectives, the first of them ascending.

    bounded: the objective that epsilon bounds.
    refused: fleets that were on the frontier until the simulator refused one of their pools.
    dominated: cheap fleets that a point beats in both objectives, if they were asked for.
    """

    problem: FleetProblem
    axes: tuple[Axis, Axis]
    bounded: Objective
    points: tuple[FrontierPoint, ...]
    refused: tuple[FrontierPoint, ...] = ()
    dominated: tuple[FrontierPoint, ...] = ()

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


def frontier(
    problem: FleetProblem,
    objectives: Sequence[str] = ("cost", "ttft"),
    *,
    verify: bool = False,
    dominated: bool = False,
    beside: Path | None = None,
    progress: Callable[[str], None] | None = None,
    executor: Executor | None = None,
) -> Frontier:
    """Every non-dominated fleet for two of `OBJECTIVES`.

    verify: simulate every point, and compute the frontier again without the pools that fail;
        where all pools together are held to the SLO, points that fail are only left out.
    dominated: also give fleets of low cost that are not on the frontier.
    beside: folder in which relative files of the problem are looked up first.
    Raises InputError for wrong input and InfeasibleError if no fleet meets the problem.
    """
    first, second = checked_objectives(objectives)
    show = progress or (lambda _: None)
    if problem.extension is not None:
        raise InputError.single("extension", "a frontier runs no extensions", "leave the key out")
    if problem.objective != "cost":
        text = f"a frontier has two objectives of its own, got {problem.objective}"
        raise InputError.single("objective", text, "leave the key out")
    if problem.phases != "together":
        text = "a frontier is of pools that do both phases"
        raise InputError.single(
            "phases", text, "say phases = 'together'; `solve` designs them apart"
        )
    case = Case.of(problem, beside)
    _check_known(case, (first, second))
    show("tabulating pools")
    cutting = verify and case.problem.method == "fleetopt" and case.problem.slo_scope == "pool"
    search = _Search(case, first, second, grey=cutting)
    show("solving the programs")
    if not verify:
        return search.frontier(search.points(), (), dominated)
    with judge_of(case, problem.verification, show, executor) as judge:
        return search.verified(judge, cutting, dominated)


def checked_objectives(names: Sequence[str]) -> tuple[Objective, Objective]:
    """Two different objectives. Raises InputError with every fault."""
    faults = [
        Fault("objectives", f"unknown objective {name!r}", near(name, OBJECTIVES))
        for name in names
        if name not in OBJECTIVES
    ]
    known = ", ".join(OBJECTIVES)
    if not faults and len(names) != 2:
        faults.append(Fault("objectives", f"expected two, got {len(names)}", f"two of {known}"))
    elif not faults and names[0] == names[1]:
        faults.append(
            Fault("objectives", f"{names[0]} is stated twice", f"expected two different of {known}")
        )
    if faults:
        raise InputError(faults)
    first, second = (next(o for o in OBJECTIVES if o == name) for name in names)
    return first, second


def _check_known(case: Case, objectives: Iterable[Objective]) -> None:
    """Raise InputError for an objective that a profile or the method tells nothing of."""
    faults = []
    dark = [profile.name for profile in case.profiles if profile.power is None]
    if dark and any(name == "power" or name in DRAWN for name in objectives):
        hint = "give it one, or leave it out"
        faults.append(Fault("objectives", f"the profile {dark[0]!r} has no power curve", hint))
    if "carbon" in objectives and case.problem.carbon_g_per_kwh is None:
        text = "carbon needs carbon_g_per_kwh"
        faults.append(Fault("objectives", text, "state the grams of CO2 of a kilowatt-hour"))
    if case.problem.method == "published":
        faults += [
            Fault("objectives", f"the published method knows no occupancy, and so no {name}")
            for name in objectives
            if name in DRAWN
        ]
    if "tpot" in objectives and case.problem.method == "published":
        faults.append(Fault("objectives", "the published method does not predict tpot"))
    if faults:
        raise InputError(faults)


class _Search:
    """The program of a case under two objectives, with its rows as the table sees them."""

    def __init__(self, case: Case, first: Objective, second: Objective, *, grey: bool) -> None:
        drawn = first in DRAWN or second in DRAWN
        self._design = Design(case, grey=grey, extra_rows=USERS_ROWS, drawn=drawn)
        problem = case.problem
        self._stated = (first, second)
        self._ordered = (second, first) if first in WORST and second not in WORST else self._stated
        self._percentiles = _Percentiles(self._design)
        self._program = LimitedProgram(
            self._design.candidates,
            len(case.nodes),
            problem.max_pools,
            self._percentiles,
            self._design.side,
            solve_options(problem),
            self._design.row,
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
        )

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


class _Percentiles:
    """Latencies of rows at the percentile that the SLO bounds, the highest if it bounds several."""

    def __init__(self, design: Design) -> None:
        self._design = design
        self._published = design.case.problem.method == "published"

    @cached_property
    def bounds(self) -> dict[str, LatencyBound]:
        """The bound of each latency that has one."""
        ascending = sorted(self._design.case.problem.slo, key=lambda bound: bound.percentile)
        return {bound.metric: bound for bound in ascending}

    def of(self, name: Worst) -> float:
        """The percentile that counts."""
        return self.bounds[name].percentile if name in self.bounds else 99.0

    def value_ms(self, name: Worst, candidate: Candidate, row: Row) -> float:
        """The percentile of a row."""
        seen = self._design.table(candidate).row(row.replicas)
        value = seen.percentile_s(name, self.of(name))
        return math.inf if value is None else 1000.0 * value

    def exceeds(self, name: Worst, candidate: Candidate, row: Row, limit_ms: float) -> bool:
        """Whether it is above a limit."""
        if self._published:  # whose misses are those of the wait alone
            return self.value_ms(name, candidate, row) > limit_ms
        bound = LatencyBound(metric=name, percentile=self.of(name), limit_ms=limit_ms)
        return self._design.table(candidate).row(row.replicas).miss(bound) > bound.allowed_miss


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]
