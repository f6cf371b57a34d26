"""The elastic program: every limit may give.

Each has a slack,

    f_i(z) - s_i <= b_i,  s_i >= 0,

and the program has the least sum of s_i / b_i; a limit of 0 counts every unit as 1.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pyomo.core as pyo

from fleetopt.optimization.solution import raise_unless_told
from fleetopt.optimization.solver import Holding, ProgramSolver, Solution, SolveOptions
from fleetopt.plan import HOURS_PER_YEAR

MIN_REPLICAS = "min_replicas"
SLO = "slo"
"""Key of the bounds that all requests together keep; its figures are misses over allowed ones."""
_KEYS = {
    "pool_limit": "max_pools",
    "inventory": "inventory",
    "gpu_limit": "max_gpus",
    "power_limit": "power_kw",
    "mean_power_limit": "mean_power_kw",
    "energy_limit": "energy_mwh_per_year",
    "carbon_limit": "carbon_tonnes_per_year",
    "budget": "budget_usd_per_year",
    "fleet_attainment": SLO,
}
"""The key of a problem behind each constraint that is a limit."""
_BUDGET = "budget_usd_per_year"
_TINY = 1e-7
"""Excess by which the cheapest of the nearest fleets may be farther than the nearest."""
ROUNDING = 1e-6
"""Excess that is no more than the solver's rounding."""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What a limit is, and what it would have to be.

    key: of the problem, such as 'max_gpus', 'inventory.h100' or, for a bound, 'slo.0'.
    stated, needed: in the units of the key; `needed` is None if no value would do.
    """

    key: str
    stated: float
    needed: float | None

    @property
    def excess(self) -> float:
        """Change relative to what is stated; a limit of 0 counts every unit as 1."""
        change = 0.0 if self.needed is None else self.needed - self.stated
        return (-change if self.key == MIN_REPLICAS else change) / (self.stated or 1.0)


class Elastic:
    """A program whose limits have slacks.

    limits: what each key states, in the key's units.
    min_replicas: if above 1, the least replicas of a pool are such a limit too,

        sum_k (n_ck - n_min) z_ck + s >= 0.
    """

    def __init__(
        self, model: pyo.ConcreteModel, options: SolveOptions | None, min_replicas: int = 1
    ) -> None:
        self._model = model
        # the answer must be exact, however soon the user wants the plan
        self._options = replace(options or SolveOptions(), node_limit=None, relative_gap=0.0)
        stated = {_key(part): part for part in _limits_of(model)}
        self.limits = {key: _in_units(key, pyo.value(part.upper)) for key, part in stated.items()}
        self._used = {key: part.body for key, part in stated.items()}
        scale = {key: pyo.value(part.upper) or 1.0 for key, part in stated.items()}
        fewer = {MIN_REPLICAS: float(min_replicas)} if min_replicas > 1 else {}
        model.slack = pyo.Var([*stated, *fewer], domain=pyo.NonNegativeReals)
        model.elastic = pyo.ConstraintList()
        for key, part in stated.items():
            part.deactivate()
            model.elastic.add(part.body - model.slack[key] <= part.upper)
        for part in model.least_replicas.values() if fewer else ():
            part.deactivate()
            model.elastic.add(part.body + model.slack[MIN_REPLICAS] >= 0)
        model.least_cost.deactivate()
        model.excess = pyo.Expression(
            expr=sum(model.slack[key] / unit for key, unit in {**scale, **fewer}.items())
        )
        model.least_excess = pyo.Objective(expr=model.excess)

    def needed(self, free: Collection[str]) -> dict[str, float] | None:
        """What the free limits would have to be, the others kept; None if that is not enough."""
        for key, slack in self._model.slack.items():
            if key in free:
                slack.unfix()
            else:
                slack.fix(0.0)
        if self._solved().holding is Holding.NONE:
            return None
        return {key: self.used(key) for key in free}

    def used(self, key: str) -> float:
        """What the fleet that was found uses of a limit, in the key's units."""
        return _in_units(key, pyo.value(self._used[key]))

    def exceeded(self) -> list[Relaxation]:
        """The limits that the fleet that was found does not keep, with what it uses of each."""
        used = [Relaxation(key, stated, self.used(key)) for key, stated in self.limits.items()]
        return [limit for limit in used if limit.excess > ROUNDING]

    def nearest(self) -> Solution:
        """The fleet of the least excess, and of those the cheapest."""
        first, model = self._solved(), self._model
        if first.holding is Holding.NONE:
            return first
        model.no_more = pyo.Constraint(expr=model.excess <= first.objective + _TINY)
        model.least_excess.deactivate()
        model.least_cost.activate()
        return self._solved()

    def _solved(self) -> Solution:
        solution = ProgramSolver(self._model, self._options).solve()
        raise_unless_told(solution)
        return solution


def _limits_of(model: pyo.ConcreteModel) -> list[pyo.Constraint]:
    held = [model.component(name) for name in _KEYS]
    return [part for limit in held if limit is not None for part in limit.values()]


def _key(part: pyo.Constraint) -> str:
    key = _KEYS[part.parent_component().name]
    return key if part.index() is None else f"{key}.{part.index()}"


def _in_units(key: str, value: float) -> float:
    return value * HOURS_PER_YEAR if key == _BUDGET else value
