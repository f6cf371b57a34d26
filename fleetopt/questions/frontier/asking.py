"""The frontier: every fleet that no other beats in both of two objectives.

The fleets keep the SLO and all side constraints of the problem. Verified points come from
the cut loop: a pool that the simulator refuses leaves the program, and the frontier is
computed again, until every fleet on it is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from fleetopt.case import Case
from fleetopt.errors import Fault, InputError, near
from fleetopt.optimization.objectives import DRAWN, OBJECTIVES, Objective
from fleetopt.problem import FleetProblem
from fleetopt.questions.frontier.answer import Frontier
from fleetopt.questions.frontier.search import Search
from fleetopt.study.judging import judge_of


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
    case = Case.of(problem, beside)
    _check_known(case, (first, second))
    show("tabulating pools")
    cutting = verify and case.problem.method == "fleetopt" and case.problem.slo_scope == "pool"
    search = Search(case, first, second, grey=cutting)
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
