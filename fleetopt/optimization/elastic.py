"""Limits that exclude each other: which ones, and by how much each would have to give.

In the elastic program every limit has a slack,

    f_i(z) - s_i <= b_i,  s_i >= 0.

A limit gives alone if its slack is free and the others are 0; the least slack is by how much.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import pyomo.core as pyo

from fleetopt.optimization.solver import Holding, ProgramSolver, SolveOptions
from fleetopt.plan import HOURS_PER_YEAR

MIN_REPLICAS = "min_replicas"
SLO = "slo"
"""Key of the bounds that all requests together keep; its figures are misses over allowed ones."""
_KEYS = {
    "pool_limit": "max_pools",
    "inventory": "inventory",
    "gpu_limit": "max_gpus",
    "power_limit": "power_kw",
    "budget": "budget_usd_per_year",
    "fleet_attainment": SLO,
}
"""The key of a problem behind each constraint that is a limit."""
_BUDGET = "budget_usd_per_year"

Program = Callable[[int], pyo.ConcreteModel]
"""The program for a least number of replicas of a pool, with every other limit stated."""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What a limit is, and what it would have to be.

    key: of the problem, such as 'max_gpus', 'inventory.h100' or, for a bound, 'slo.0'.
    stated, needed: in the units of the key; `needed` is None if no value would do.
    """

    key: str
    stated: float
    needed: float | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Limits that exclude each other, while any of them could be kept without the others.

    alone: each of them, and what it would have to be with every other limit kept.
    together: if none is enough alone, limits that could give at once, by the least sum of
        relative changes; min_replicas stays where that is possible.
    """

    alone: tuple[Relaxation, ...]
    together: tuple[Relaxation, ...]


def conflict(
    program: Program, min_replicas: int, options: SolveOptions | None = None
) -> Conflict | None:
    """Why a program has no fleet; None if its limits are not the reason."""
    stated = _Elastic(program(min_replicas), options)
    plain = stated if min_replicas == 1 else _Elastic(program(1), options)
    if stated.needed(()) is not None or plain.needed(plain.limits) is None:
        return None
    replicas_matter = _needs_fewer_replicas(stated, plain)
    keys = _irreducible(stated if replicas_matter else plain)
    alone = [Relaxation(key, stated.limits[key], _only(stated, key)) for key in keys]
    if replicas_matter:
        most = None if plain.needed(()) is None else _most_replicas(program, min_replicas, options)
        alone.append(Relaxation(MIN_REPLICAS, min_replicas, most))
    enough = any(limit.needed is not None for limit in alone)
    return Conflict(tuple(alone), () if enough else _together(program, min_replicas, options))


class _Elastic:
    """A program whose limits have slacks.

    limits: what each key states, in the key's units.
    """

    def __init__(self, model: pyo.ConcreteModel, options: SolveOptions | None) -> None:
        self._model = model
        self._options = options
        stated = {_key(part): part for part in _limits_of(model)}
        self.limits = {key: _in_units(key, pyo.value(part.upper)) for key, part in stated.items()}
        self._used = {key: part.body for key, part in stated.items()}
        model.slack = pyo.Var(list(stated), domain=pyo.NonNegativeReals)
        model.elastic = pyo.ConstraintList()
        for key, part in stated.items():
            part.deactivate()
            model.elastic.add(part.body - model.slack[key] <= part.upper)
        model.least_cost.deactivate()
        scale = {key: pyo.value(part.upper) or 1.0 for key, part in stated.items()}
        relative = sum(model.slack[key] / scale[key] for key in stated)
        model.least_slack = pyo.Objective(expr=relative)

    def needed(self, free: Collection[str]) -> dict[str, float] | None:
        """What the free limits would have to be, the others kept; None if that is not enough."""
        for key, slack in self._model.slack.items():
            if key in free:
                slack.unfix()
            else:
                slack.fix(0.0)
        if ProgramSolver(self._model, self._options).solve().holding is Holding.NONE:
            return None
        return {key: _in_units(key, pyo.value(self._used[key])) for key in free}


def _needs_fewer_replicas(stated: _Elastic, plain: _Elastic) -> bool:
    """Whether fewer replicas in a pool would be enough, or nothing else is."""
    return plain.needed(()) is not None or stated.needed(stated.limits) is None


def _irreducible(elastic: _Elastic) -> list[str]:
    """Limits that exclude each other, none of them to spare."""
    dropped: list[str] = []
    for key in elastic.limits:
        if elastic.needed([*dropped, key]) is None:
            dropped.append(key)
    return [key for key in elastic.limits if key not in dropped]


def _only(elastic: _Elastic, key: str) -> float | None:
    found = elastic.needed([key])
    return None if found is None else found[key]


def _together(
    program: Program, min_replicas: int, options: SolveOptions | None
) -> tuple[Relaxation, ...]:
    """Limits that could give at once; min_replicas only where nothing else is enough."""
    elastic, fewer = _Elastic(program(min_replicas), options), min_replicas
    found = elastic.needed(elastic.limits)
    if found is None:
        fewer = _most_replicas(program, min_replicas, options, others_give=True)
        elastic = _Elastic(program(fewer), options)
        found = elastic.needed(elastic.limits) or {}
    given = [
        Relaxation(key, stated, found[key])
        for key, stated in elastic.limits.items()
        if found[key] > stated * (1.0 + 1e-9)
    ]
    if fewer < min_replicas:
        given.append(Relaxation(MIN_REPLICAS, min_replicas, fewer))
    return tuple(given)


def _most_replicas(
    program: Program, above: int, options: SolveOptions | None, *, others_give: bool = False
) -> int:
    """The greatest least number of replicas below `above` for which there is a fleet."""
    low, high = 1, above
    while high - low > 1:
        middle = (low + high) // 2
        elastic = _Elastic(program(middle), options)
        if elastic.needed(elastic.limits if others_give else ()) is None:
            high = middle
        else:
            low = middle
    return low


def _limits_of(model: pyo.ConcreteModel) -> list[pyo.Constraint]:
    held = [model.component(name) for name in _KEYS]
    return [part for limit in held if limit is not None for part in limit.values()]


def _key(part: pyo.Constraint) -> str:
    key = _KEYS[part.parent_component().name]
    return key if part.index() is None else f"{key}.{part.index()}"


def _in_units(key: str, value: float) -> float:
    return value * HOURS_PER_YEAR if key == _BUDGET else value
