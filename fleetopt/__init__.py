"""fleetopt designs GPU fleets that serve large language models.

The public names load their modules when they are first used.
"""

from typing import TYPE_CHECKING, Any

from fleetopt.lazy import names_of

if TYPE_CHECKING:
    from fleetopt.errors import FleetoptError, InfeasibleError, InputError, StoppedError
    from fleetopt.plan import Plan
    from fleetopt.problem import FleetProblem, FleetSimulation, LatencyBound
    from fleetopt.questions.energy.grid import grid_flex
    from fleetopt.questions.energy.split import split_tokens_per_watt
    from fleetopt.questions.energy.tokens_per_watt import tokens_per_watt
    from fleetopt.questions.explain import explain
    from fleetopt.questions.fleets import compare_routers, simulate
    from fleetopt.questions.frontier import frontier
    from fleetopt.study import build_program, solve, solve_program

    __version__: str

__all__ = [
    "FleetProblem",
    "FleetSimulation",
    "FleetoptError",
    "InfeasibleError",
    "InputError",
    "LatencyBound",
    "Plan",
    "StoppedError",
    "__version__",
    "build_program",
    "compare_routers",
    "explain",
    "frontier",
    "grid_flex",
    "simulate",
    "solve",
    "solve_program",
    "split_tokens_per_watt",
    "tokens_per_watt",
]

_HOMES = {
    "FleetProblem": "fleetopt.problem",
    "FleetSimulation": "fleetopt.problem",
    "FleetoptError": "fleetopt.errors",
    "InfeasibleError": "fleetopt.errors",
    "InputError": "fleetopt.errors",
    "LatencyBound": "fleetopt.problem",
    "Plan": "fleetopt.plan",
    "StoppedError": "fleetopt.errors",
    "build_program": "fleetopt.study",
    "compare_routers": "fleetopt.questions.fleets",
    "explain": "fleetopt.questions.explain",
    "frontier": "fleetopt.questions.frontier",
    "grid_flex": "fleetopt.questions.energy.grid",
    "simulate": "fleetopt.questions.fleets",
    "solve": "fleetopt.study",
    "solve_program": "fleetopt.study",
    "split_tokens_per_watt": "fleetopt.questions.energy.split",
    "tokens_per_watt": "fleetopt.questions.energy.tokens_per_watt",
}

_named = names_of(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    if name != "__version__":
        return _named(name)
    globals()[name] = _installed_version()
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fleetopt")
    except PackageNotFoundError:
        return "unknown"
