"""How a study has its fleet judged: not at all, once, or until the simulator accepts one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from os import cpu_count

from fleetopt.case import Case
from fleetopt.inputs import recorded
from fleetopt.optimization.solver import Solution
from fleetopt.problem import VerificationOptions
from fleetopt.simulation import COMPILING
from fleetopt.verification import Judge, Outcome, Recording, TraceJudge, Verifier, judged_pools
from fleetopt.workload.traces import Trace


@contextmanager
def judge_of(
    case: Case,
    options: VerificationOptions,
    show: Callable[[str], None],
    executor: Executor | None,
    trace: Trace | None = None,
) -> Iterator[Verifier]:
    """A judge whose replications run on `executor`, or on threads of this process.

    The kernel runs without the interpreter's lock, so threads use every core.
    trace: what to judge on; if absent, the trace that the case was designed for, or Poisson
        arrivals where there is none.
    Raises InputError for a trace that the case cannot be judged on.
    """
    from fleetopt.simulation.kernel import is_compiled

    if trace is None and case.problem.trace is not None:
        _, trace = recorded(case.problem.trace)
    recording = None if trace is None else Recording.of(case, trace)
    if not is_compiled():
        show(COMPILING)
    if recording is not None:
        yield TraceJudge(case, recording, options, show)
        return
    if executor is not None:
        yield Judge(case, options, executor, show)
        return
    with ThreadPoolExecutor(cpu_count()) as threads:
        yield Judge(case, options, threads, show)


def unverified(solution: Solution) -> Outcome:
    """A fleet as the program gives it."""
    return Outcome(solution, solution, (), ())


def verified_once(solution: Solution, judge: Verifier) -> Outcome:
    """A fleet with its verdicts, whatever they are."""
    pools = judged_pools(judge.case, solution.chosen)
    verdicts = tuple(judge.verdict(pool) for pool in pools)
    return Outcome(solution, solution, verdicts, ())
