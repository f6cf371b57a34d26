"""What two plans differ in, and why: one difference of their problems at a time.

The first plan's problem is solved again with each differing key set to the second plan's
value, alone, and with the keys changed one after the other until it is the second plan's
problem. Fleets are the tables' optima, not verified ones, so that steps compare like with
like.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetopt.case import Case
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.solver import Holding
from fleetopt.plan import HOURS_PER_YEAR, Fleet, Plan
from fleetopt.problem import FailureRates, FleetProblem
from fleetopt.study.assembly import fleet_of

_NOT_THE_FLEET = frozenset({"name", "trace", "verification", "solver", "alternatives", "extension"})
"""Keys that change how an answer is found or checked, not what the tables say; an extension
does, but nothing that a plan file names is ever run."""


@dataclass(frozen=True)
class Step:
    """One differing key of the problems.

    before, after: its values in the two plans, in words.
    alone_usd_per_year: cost of the first problem with only this key changed.
    so_far_usd_per_year: cost with this key and those of the steps before it changed.
    fleet: the fleet of the latter; None, and an infinite cost, if there is none.
    """

    key: str
    before: str
    after: str
    alone_usd_per_year: float
    so_far_usd_per_year: float
    fleet: Fleet | None


@dataclass(frozen=True)
class Difference:
    """Two plans compared.

    first, second: the plans. base_usd_per_year: cost of the first problem's optimum by
    the tables, from which the steps start.
    """

    first: Plan
    second: Plan
    base_usd_per_year: float
    steps: tuple[Step, ...]

    @property
    def same_extension(self) -> bool:
        """Whether both plans were changed by the same Python, or by none."""
        return _extension(self.first) == _extension(self.second)

    @property
    def extensions(self) -> str:
        """What to know of the plans' extensions; empty if there are none."""
        ours, theirs = _extension(self.first), _extension(self.second)
        if not ours and not theirs:
            return ""
        if self.same_extension:
            text = f"both plans keep the extension {ours}"
        else:
            text = f"the extensions differ: A has {ours or 'none'}, B has {theirs or 'none'}"
        return f"{text}; diff runs no Python, so the steps are without extensions"


def compare(first: Plan, second: Plan, progress: Callable[[str], None] | None = None) -> Difference:
    """What the second plan changes, and what each change costs or saves."""
    show = progress or (lambda _: None)
    base, _ = _optimum(first.problem)
    problem = first.problem
    steps = []
    for key in differing_keys(first.problem, second.problem):
        show(f"solving with {key} changed")
        change = {key: getattr(second.problem, key)}
        alone, _ = _optimum(first.problem.model_copy(update=_with_profiles(first, second, change)))
        problem = problem.model_copy(update=_with_profiles(first, second, change))
        so_far, fleet = _optimum(problem)
        before, after = (_in_words(getattr(plan.problem, key)) for plan in (first, second))
        steps.append(Step(key, before, after, alone, so_far, fleet))
    return Difference(first, second, base, tuple(steps))


def differing_keys(first: FleetProblem, second: FleetProblem) -> list[str]:
    """Keys of the problem that differ and that the fleet depends on, in their order."""
    keys = [key for key in FleetProblem.model_fields if key not in _NOT_THE_FLEET]
    differ = [key for key in keys if getattr(first, key) != getattr(second, key)]
    return [key for key in differ if key != "profiles" or _prices_differ(first, second)]


def _extension(plan: Plan) -> str:
    """The name and the hash of a plan's extension; empty if it has none."""
    path = plan.provenance.extension
    if not path:
        return plan.problem.extension or ""
    return f"{Path(path).name} (SHA-256 {plan.provenance.input_sha256.get(path, '')[:12]})"


def _prices_differ(first: FleetProblem, second: FleetProblem) -> bool:
    """Whether a profile that both problems name is not the same in both."""
    ours = {spec.name: spec for spec in first.profiles}
    return any(ours.get(spec.name, spec) != spec for spec in second.profiles)


def _with_profiles(first: Plan, second: Plan, change: dict[str, Any]) -> dict[str, Any]:
    """The change, with the profiles that it brings; those of the first plan come first."""
    if "profiles" in change:
        return change
    known = {spec.name: spec for spec in (*second.problem.profiles, *first.problem.profiles)}
    return {**change, "profiles": tuple(known.values())}


def _optimum(problem: FleetProblem) -> tuple[float, Fleet | None]:
    """Cost per year and fleet of the tables' optimum; infinite and None if there is none."""
    design = design_of(Case.of(problem), grey=False)
    solution = design.optimum()
    if solution.holding is Holding.NONE:
        return math.inf, None
    return solution.usd_per_hour * HOURS_PER_YEAR, fleet_of(design, solution.chosen)


def _in_words(value: Any) -> str:
    """A problem's value, short enough for a table."""
    if hasattr(value, "cdf"):
        return str(value.name)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_in_words(item) for item in value) or "none"
    if isinstance(value, FailureRates):
        return value.text
    if hasattr(value, "label"):
        return f"{value.label} {value.limit_ms:g} ms"
    if hasattr(value, "usd_per_hour"):
        return f"{value.name} {value.usd_per_hour:g} $/h"
    return "not set" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
