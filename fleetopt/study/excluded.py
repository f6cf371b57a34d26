"""What to say when what a user added to a program leaves no fleet."""

from __future__ import annotations

from dataclasses import replace

from fleetopt.errors import FleetoptError, InputError
from fleetopt.optimization.design import Design
from fleetopt.optimization.solution import raise_unless_told
from fleetopt.optimization.solver import Holding, Solution, Termination
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.study.infeasible import explained
from fleetopt.study.refusal import Refusal, RefusalError

_UNBOUNDED = (Termination.UNBOUNDED, Termination.INFEASIBLE_OR_UNBOUNDED)


def without_fleet(design: Design, solution: Solution) -> FleetoptError:
    """Why a program gave no fleet: the problem, or what was added to its program.

    Raises StoppedError or SolverError where that is open.
    """
    if design.is_changed and solution.termination in _UNBOUNDED:
        extension = design.case.extension
        place = str(extension.source.path) if extension else "model"
        hint = "bound the variables that were added"
        return InputError.single(place, "the objective has no bound", hint)
    raise_unless_told(solution)
    return _excluded(design) if design.is_changed else explained(design)


def _excluded(design: Design) -> RefusalError:
    """Whether the problem has a fleet without the additions, and which of them exclude it."""
    extension = design.case.extension
    plain = Design(replace(design.case, extension=None), grey=False)
    best = plain.optimum()
    if best.holding is Holding.NONE:
        told = explained(plain).refusal
        note = f"{extension.name if extension else 'what was added'} is left out of this"
        return RefusalError(replace(told, reasons=(*told.reasons, note)))
    added = extension.name if extension else "the constraints added to it"
    lines = [f"no fleet meets the program and {added}", *_named(design.excluding())]
    cost = best.usd_per_hour * HOURS_PER_YEAR
    lines.append(f"without it the cheapest fleet would cost {cost:,.0f} USD a year, by the table")
    return RefusalError(Refusal(False, tuple(lines)))


def _named(constraints: tuple[str, ...]) -> list[str]:
    if len(constraints) < 2:
        return [f"the constraint {name} excludes every fleet" for name in constraints]
    listed = f"{', '.join(constraints[:-1])} and {constraints[-1]}"
    return [f"the constraints {listed} exclude every fleet together; any of them could go"]
