"""Programs that a user has changed: whether they are sound, and what was added to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyomo.core as pyo

from fleetopt.errors import Fault, InputError
from fleetopt.optimization.interface import parts
from fleetopt.optimization.solver import Holding, ProgramSolver, SolveOptions

Extend = Callable[[pyo.ConcreteModel], None]
"""A user's function that changes a program."""

_OURS = frozenset({*(part.name for part in parts()), "cuts"})
_READ = (pyo.Objective, pyo.Constraint, pyo.Var, pyo.Set, pyo.RangeSet, pyo.Param,
         pyo.Expression, pyo.Block, pyo.Suffix, pyo.BuildAction, pyo.BuildCheck)  # fmt: skip
"""Kinds of components that the solver reads, or that say nothing to it."""


@dataclass(frozen=True, slots=True)
class Additions:
    """What a user added to a program, by name.

    objective: the user's own; empty if it is the cost.
    """

    constraints: tuple[str, ...]
    variables: tuple[str, ...]
    objective: str


def extend(model: pyo.ConcreteModel, change: Extend) -> None:
    """Let a user's function change a program; raises InputError if it spoils it.

    The objective may be replaced; no other part may be, and no constraint deactivated.
    """
    before = {part.name: getattr(model, part.name, None) for part in parts()}
    with _errors_said_once():
        change(model)
    faults = [
        Fault(f"model.{name}", "is a part of the program", "give your own part another name")
        for name, part in before.items()
        if name != "least_cost" and getattr(model, name, None) is not part
    ]
    if faults:
        raise InputError(faults)
    check_sound(model)


def check_sound(model: pyo.ConcreteModel) -> None:
    """Raise InputError if a constraint of the program is off, or a part would be ignored."""
    stated = [part.name for part in parts() if part.kind == "constraint"]
    held = [model.component(name) for name in stated]
    faults = [
        Fault(f"model.{part.name}", "must stay active", "change the problem's keys instead")
        for part in held
        if part is not None and not all(data.active for data in part.values())
    ]
    faults += [
        Fault(f"model.{part.name}", f"the solver cannot read a {part.ctype.__name__}")
        for part in model.component_objects(active=True)
        if part.ctype not in _READ
    ]
    if faults:
        raise InputError(faults)


def own_objective(model: pyo.ConcreteModel) -> Any:
    """The active objective if it is another than the cost, else None."""
    objective = next(iter(model.component_data_objects(pyo.Objective, active=True)))
    is_cost = objective.expr is model.cost and objective.sense == pyo.minimize
    return None if is_cost else objective


def additions(model: pyo.ConcreteModel) -> Additions:
    """What is in a program beyond its own parts."""
    objective = own_objective(model)
    return Additions(
        constraints=tuple(part.name for part in _added(model, pyo.Constraint)),
        variables=tuple(part.name for part in _added(model, pyo.Var)),
        objective="" if objective is None or objective.name in _OURS else objective.name,
    )


def excluding(model: pyo.ConcreteModel, options: SolveOptions) -> tuple[str, ...]:
    """Added constraints that leave no fleet together, none of them to spare.

    Empty if there is no fleet without them either. The model is left as it was.
    """
    added = [part.name for part in _added(model, pyo.Constraint)]
    if not _has_fleet_without(model, added, options):
        return ()
    dropped: list[str] = []
    for name in added:
        if not _has_fleet_without(model, [*dropped, name], options):
            dropped.append(name)
    return tuple(name for name in added if name not in dropped)


def _has_fleet_without(
    model: pyo.ConcreteModel, dropped: Sequence[str], options: SolveOptions
) -> bool:
    off = [data for name in dropped for data in model.find_component(name).values() if data.active]
    try:
        for data in off:
            data.deactivate()
        return ProgramSolver(model, options).solve().holding is not Holding.NONE
    finally:
        for data in off:
            data.activate()


def _added(model: pyo.ConcreteModel, kind: Any) -> list[Any]:
    components = model.component_objects(kind, active=True)
    return [part for part in components if part.name not in _OURS]


@contextmanager
def _errors_said_once() -> Iterator[None]:
    """Keep Pyomo from logging what it is about to raise."""
    handlers = logging.getLogger("pyomo").handlers

    def quiet(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    for handler in handlers:
        handler.addFilter(quiet)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(quiet)
