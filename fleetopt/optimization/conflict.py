"""Limits that exclude each other: which ones, and by how much each would have to give.

In the elastic program a limit gives alone if its slack is free and the others are 0; the
least slack is by how much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyomo.core as pyo

from fleetopt.optimization.elastic import MIN_REPLICAS, Elastic, Relaxation
from fleetopt.optimization.solver import SolveOptions

Program = Callable[[int], pyo.ConcreteModel]
"""The program for a least number of replicas of a pool, with every other limit stated."""


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
    stated = Elastic(program(min_replicas), options)
    plain = stated if min_replicas == 1 else Elastic(program(1), options)
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


def _needs_fewer_replicas(stated: Elastic, plain: Elastic) -> bool:
    """Whether fewer replicas in a pool would be enough, or nothing else is."""
    return plain.needed(()) is not None or stated.needed(stated.limits) is None


def _irreducible(elastic: Elastic) -> list[str]:
    """Limits that exclude each other, none of them to spare."""
    dropped: list[str] = []
    for key in elastic.limits:
        if elastic.needed([*dropped, key]) is None:
            dropped.append(key)
    return [key for key in elastic.limits if key not in dropped]


def _only(elastic: Elastic, key: str) -> float | None:
    found = elastic.needed([key])
    return None if found is None else found[key]


def _together(
    program: Program, min_replicas: int, options: SolveOptions | None
) -> tuple[Relaxation, ...]:
    """Limits that could give at once; min_replicas only where nothing else is enough."""
    elastic, fewer = Elastic(program(min_replicas), options), min_replicas
    found = elastic.needed(elastic.limits)
    if found is None:
        fewer = _most_replicas(program, min_replicas, options, others_give=True)
        elastic = Elastic(program(fewer), options)
        found = elastic.needed(elastic.limits)
    given = elastic.exceeded() if found else []
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
        elastic = Elastic(program(middle), options)
        if elastic.needed(elastic.limits if others_give else ()) is None:
            high = middle
        else:
            low = middle
    return low
