"""How a study has its fleet judged: not at all, once, or until the simulator accepts one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from os import cpu_count

from fleetopt.case import Case
from fleetopt.optimization.solver import Solution
from fleetopt.problem import VerificationOptions
from fleetopt.verification import Judge, Outcome, judged

COMPILING = "compiling the simulator, once; this takes some seconds"
"""What the first run ever says."""


@contextmanager
def judge_of(
    case: Case,
    options: VerificationOptions,
    show: Callable[[str], None],
    executor: Executor | None,
) -> Iterator[Judge]:
    """A judge whose replications run on `executor`, or on threads of this process.

    The kernel runs without the interpreter's lock, so threads use every core.
    """
    from fleetopt.simulation.kernel import is_compiled

    if not is_compiled():
        show(COMPILING)
    if executor is not None:
        yield Judge(case, options, executor, show)
        return
    with ThreadPoolExecutor(cpu_count()) as threads:
        yield Judge(case, options, threads, show)


def unverified(solution: Solution) -> Outcome:
    """A fleet as the program gives it."""
    return Outcome(solution, solution, (), ())


def verified_once(solution: Solution, judge: Judge) -> Outcome:
    """A fleet with its verdicts, whatever they are."""
    verdicts = tuple(judge.verdict(judged(c, row)) for c, row in solution.chosen)
    return Outcome(solution, solution, verdicts, ())
