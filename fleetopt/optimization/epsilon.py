"""The least of one objective under limits on others: one step of the epsilon-constraint method.

A limit on a sum is a side constraint of the program; one on the worst pool's latency takes
away the rows above it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pyomo.core as pyo

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.dominance import undominated
from fleetopt.optimization.limits import NONE, SideConstraints, Site, spare_gpus
from fleetopt.optimization.objectives import (
    DRAWN,
    SUMS,
    WORST,
    Chosen,
    Latencies,
    Limits,
    Objective,
    Sum,
    Worst,
    just_below,
    no_more,
)
from fleetopt.optimization.open_rows import Evaluate, OpenRows, RowOf, Weight
from fleetopt.optimization.program import build
from fleetopt.optimization.solution import GAP_TOLERANCE, raise_unless_told
from fleetopt.optimization.solver import ProgramSolver, Solution, SolveOptions
from fleetopt.plan import HOURS_PER_YEAR

Fleet = TypeVar("Fleet")
_NARROW = 1.01
"""Ratio of a bracket for the least latency below which it is searched fleet by fleet."""
_EXPRESSIONS: dict[Sum, str] = {
    "cost": "cost", "gpus": "total_gpus", "power": "power",
    "mean-power": "mean_power", "energy": "energy", "carbon": "carbon",
}  # fmt: skip


class LimitedProgram:
    """The fleets of some candidates, asked for the least of an objective under limits.

    latencies: of the candidates' rows.
    side: limits that every fleet keeps.
    row_of: a candidate's row of a number of replicas, where those that it has are refused.
    evaluate: where candidates are drafts, each with one row that uses no more than any of its
        own: those that an answer has are evaluated by it, and the program is solved again.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        num_breakpoints: int,
        max_pools: int,
        latencies: Latencies,
        side: SideConstraints = NONE,
        options: SolveOptions | None = None,
        row_of: RowOf | None = None,
        evaluate: Evaluate | None = None,
    ) -> None:
        self._rows = OpenRows(
            [_permitted(c, side) for c in candidates], num_breakpoints, max_pools, latencies,
            row_of or _with_spares(side),
            None if evaluate is None else partial(_evaluated, evaluate, side),
        )  # fmt: skip
        self._num_breakpoints = num_breakpoints
        self._max_pools = max_pools
        self._side = side
        self._options = options
        self._answers: dict[tuple[Sum, tuple[tuple[Objective, float], ...]], Solution] = {}

    def refuse(self, index: int, replicas: int) -> None:
        """Take away a candidate's rows with at most `replicas`."""
        self._rows.refuse(index, replicas)
        self._answers.clear()

    def value(self, objective: Objective, solution: Solution) -> float:
        """An objective of a fleet: USD, MWh or tonnes a year, GPUs bought, kW, or milliseconds."""
        chosen = solution.chosen
        if objective == "cost":
            return solution.usd_per_hour * HOURS_PER_YEAR
        if objective == "gpus":
            spare = sum(spare_gpus(chosen, self._side.node_size).values())
            return float(sum(c.gpus(row) for c, row in chosen) + spare)
        if objective == "power":
            return sum(c.kilowatts(row) for c, row in chosen)
        if objective == "ttft" or objective == "tpot":
            return self._rows.worst(objective, chosen)
        drawn = sum(row.drawn_kw or 0.0 for _, row in chosen)
        return drawn * _per_kw(objective, self._side.site)

    def least_sum(self, objective: Sum, limits: Limits) -> Solution:
        """A fleet with the least sum under limits; one without pools if there is none.

        Raises StoppedError if a limit stops the solver before it can tell.
        """
        key = (objective, tuple(sorted(limits.items())))
        if key not in self._answers:
            self._answers[key] = self._solve(objective, limits)
        return self._answers[key]

    def least_worst(self, objective: Worst, limits: Limits, beside: Sum) -> Solution | None:
        """A fleet with the least latency under limits; None if there is none.

        beside: the sum that is minimized on the way, which also keeps its own limit.
        """
        most = limits.get(beside, math.inf)
        others = {name: limit for name, limit in limits.items() if name != beside}

        def within(limit_ms: float) -> Solution | None:
            found = self.least_sum(beside, {**others, objective: limit_ms})
            return found if found.chosen and self.value(beside, found) <= most else None

        first = within(others.get(objective, math.inf))
        if first is None:
            return None
        hint = self._least_scouted(objective, others, beside, most)
        reached = within(no_more(objective, hint)) if hint < self.value(objective, first) else None
        return _descend(objective, within, lambda s: self.value(objective, s), reached or first)

    def _least_scouted(self, objective: Worst, limits: Limits, beside: Sum, most: float) -> float:
        """What the least latency would be without side constraints; infinite if unreachable."""

        def scouted(limit_ms: float) -> Chosen | None:
            bounds = _bounds({**limits, objective: limit_ms})
            return self._rows.lightest(bounds, _WEIGHTS[beside], most / self._unit(beside)) or None

        def value(chosen: Chosen) -> float:
            return self._rows.worst(objective, chosen)

        start = scouted(limits.get(objective, math.inf))
        return math.inf if start is None else value(_descend(objective, scouted, value, start))

    def _unit(self, objective: Sum) -> float:
        """An objective of a fleet for each unit of its weights."""
        return HOURS_PER_YEAR if objective == "cost" else _per_kw(objective, self._side.site) or 1.0

    def _solve(self, objective: Sum, limits: Limits) -> Solution:
        """Solve, take away the rows that prove too slow, and solve again.

        Fleets of equal sums are many. Where the solver chose one with a row that is too slow,
        the fleet that was scouted is as good if the program of its pools alone reaches the
        bound.
        """
        bounds = _bounds(limits)
        side = self._side_with({name: limits[name] for name in SUMS if name in limits})
        scouted = self._rows.lightest(bounds, _WEIGHTS[objective])
        while True:
            counted = (objective, *limits)
            opened = self._open_candidates(bounds, drawn=any(name in DRAWN for name in counted))
            solution = self._solved(objective, _that_count(opened, objective, side), side)
            raise_unless_told(solution)
            if not solution.chosen or self._rows.keeps(bounds, solution.chosen):
                return solution
            pools = [replace(candidate, rows=(row,)) for candidate, row in scouted]
            alone = self._solved(objective, pools, side)
            if alone.chosen and alone.objective <= solution.bound * (1.0 + GAP_TOLERANCE):
                return alone

    def _open_candidates(self, bounds: dict[Worst, float], *, drawn: bool) -> list[Candidate]:
        """What the program may build, as far as is known.

        drawn: whether the mean draw counts, which may be less with more replicas.
        """
        drawn = drawn or self._side.limits_draw
        if drawn or self._side.slo is not None:  # more replicas miss less, which all pools share
            return self._rows.with_all_rows(bounds)
        return self._rows.with_one_row(bounds)

    def _solved(
        self, objective: Sum, candidates: Sequence[Candidate], side: SideConstraints
    ) -> Solution:
        model = build(candidates, self._num_breakpoints, self._max_pools, side)
        if objective != "cost":
            model.least_cost.deactivate()
            model.least = pyo.Objective(expr=getattr(model, _EXPRESSIONS[objective]).expr)
        return ProgramSolver(model, self._options).solve()

    def _side_with(self, sums: dict[Sum, float]) -> SideConstraints:
        """The side constraints with limits on sums among them."""
        side = self._side
        gpus = _least_of(side.max_gpus, sums.get("gpus"))
        return replace(
            side,
            budget_usd_per_year=_least_of(side.budget_usd_per_year, sums.get("cost")),
            max_gpus=None if gpus is None else math.floor(gpus),
            power_kw=_least_of(side.power_kw, sums.get("power")),
            mean_power_kw=_least_of(side.mean_power_kw, sums.get("mean-power")),
            energy_mwh_per_year=_least_of(side.energy_mwh_per_year, sums.get("energy")),
            carbon_tonnes_per_year=_least_of(side.carbon_tonnes_per_year, sums.get("carbon")),
        )


def _permitted(candidate: Candidate, side: SideConstraints) -> Candidate:
    """A candidate with the rows that a pool may have by itself, those of least cost first."""
    rows = (
        row
        for row in candidate.rows
        if row.replicas >= side.min_replicas
        and row.bought >= side.spares.to_buy(row.replicas, candidate.gpus_per_replica)
    )
    return replace(candidate, rows=tuple(sorted(rows, key=lambda row: row.bought)))


def _evaluated(evaluate: Evaluate, side: SideConstraints, draft: Candidate) -> Candidate | None:
    """A candidate with its own rows, those that a pool may have by itself."""
    found = evaluate(draft)
    found = None if found is None else _permitted(found, side)
    return found if found is not None and found.rows else None


def _least_of(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _bounds(limits: Limits) -> dict[Worst, float]:
    """The limits on latencies."""
    return {name: limits[name] for name in WORST if math.isfinite(limits.get(name, math.inf))}


def _descend(
    objective: Worst,
    find: Callable[[float], Fleet | None],
    value: Callable[[Fleet], float],
    start: Fleet,
) -> Fleet:
    """The fastest fleet that `find` reaches under a limit, from one that it has reached.

    The next has to be a little faster; once that worked, the bracket is halved.
    """
    held, unreachable, by_steps = start, 0.0, True
    while True:
        fastest = value(held)
        by_steps = by_steps or fastest <= _NARROW * unreachable
        tried = just_below(objective, fastest) if by_steps else 0.5 * (unreachable + fastest)
        found = find(tried)
        if found is not None:
            held, by_steps = found, False
        elif by_steps:
            return held
        else:
            unreachable = tried


def _that_count(
    candidates: Sequence[Candidate], objective: Sum, side: SideConstraints
) -> Sequence[Candidate]:
    """The candidates without what others on their arc dominate, where sums are all that counts."""
    if side.node_size > 1 or side.slo is not None:
        return candidates
    counted = [weight for name, weight in _WEIGHTS.items() if name in (objective, *_limited(side))]
    counted += [partial(_gpus_of, gpu) for gpu in side.inventory]
    return undominated(candidates, lambda c, row: tuple(weight(c, row) for weight in counted))


def _limited(side: SideConstraints) -> list[Sum]:
    """The sums that have a limit."""
    limits: dict[Sum, float | None] = {
        "cost": side.budget_usd_per_year, "gpus": side.max_gpus, "power": side.power_kw,
        "mean-power": side.mean_power_kw, "energy": side.energy_mwh_per_year,
        "carbon": side.carbon_tonnes_per_year,
    }  # fmt: skip
    return [name for name, limit in limits.items() if limit is not None]


def _gpus_of(gpu: str, candidate: Candidate, row: Row) -> float:
    return float(candidate.gpus(row)) if candidate.gpu == gpu else 0.0


_WEIGHTS: dict[Sum, Weight] = {
    "cost": lambda candidate, row: candidate.cost(row),
    "gpus": lambda candidate, row: float(candidate.gpus(row)),
    "power": lambda candidate, row: candidate.kilowatts(row),
    **dict.fromkeys(DRAWN, lambda _, row: row.drawn_kw or 0.0),
}


def _with_spares(side: SideConstraints) -> RowOf:
    """Rows with as many spare replicas as a fleet must have."""
    return lambda c, replicas: Row.available(replicas, side.spares, c.gpus_per_replica)


def _per_kw(objective: Objective, site: Site) -> float:
    """An objective of the mean draw for each kilowatt of it."""
    per_kw = {"energy": site.mwh_per_kw, "carbon": site.tonnes_per_kw}
    return per_kw.get(objective, 1.0)
