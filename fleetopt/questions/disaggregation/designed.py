"""`design_phases`: both phases apart beside both together, by the program and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.optimization.lazily import design_of
from fleetopt.optimization.solver import Holding
from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem, LatencyBound, PhasesApart
from fleetopt.questions.disaggregation.asked import Question
from fleetopt.questions.disaggregation.fleets import Aggregated, Pair
from fleetopt.study import assembly
from fleetopt.study.infeasible import explained, unverifiable
from fleetopt.study.judging import judge_of, unverified
from fleetopt.verification import Outcome, accept

Progress = Callable[[str], None]
AGGREGATED, APART = "aggregated", "apart"


@dataclass(frozen=True)
class Designed:
    """The cheapest fleet of one kind that the simulator accepts.

    config: such as 'all-h100 aggregated', 'h100P+a100D', or for fleets that the program splits
        by length 'split aggregated' and 'split apart'.
    side: "aggregated" or "apart". plan: None if there is no such fleet.
    counted: what the published rule says of the same GPUs; None for a split.
    misses: why there is no fleet; empty if there is one.
    """

    config: str
    side: str
    plan: Plan | None
    counted: Aggregated | Pair | None
    misses: str = ""

    @property
    def usd_per_year(self) -> float | None:
        """Cost; None without a fleet."""
        return None if self.plan is None else self.plan.cost.usd_per_year


@dataclass(frozen=True)
class DesignedPhases:
    """The answer: every kind of fleet, that of the pair that was asked for among them.

    counted: the question as the published rule sees it.
    """

    question: Question
    fleets: tuple[Designed, ...]
    asked: Designed
    notes: tuple[str, ...]

    def best(self, side: str) -> Designed | None:
        """The cheapest fleet of a side; None if it has none."""
        held = [fleet for fleet in self.fleets if fleet.side == side and fleet.plan]
        return min(held, key=lambda fleet: fleet.usd_per_year or 0.0, default=None)

    def saving(self, fleet: Designed) -> float | None:
        """Share of the cost of the cheapest aggregated fleet that a fleet saves."""
        together = self.best(AGGREGATED)
        if together is None or not together.usd_per_year or fleet.usd_per_year is None:
            return None
        return 1.0 - fleet.usd_per_year / together.usd_per_year


def design_phases(
    stated: PhasesApart,
    beside: Path | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> DesignedPhases:
    """The cheapest fleets with prefill and decode apart and together, each verified.

    beside: folder in which a relative file is looked up first.
    Raises InputError with every fault, and InfeasibleError with what binds where the pair that
    was asked for has no fleet.
    """
    question = Question(stated, beside)
    return designed(question, executor=executor, progress=progress)


def designed(
    question: Question, *, executor: Executor | None = None, progress: Progress | None = None
) -> DesignedPhases:
    """The same of a question whose files are read. Raises InputError and InfeasibleError."""
    show = progress or (lambda _: None)
    fleets = []
    for config, side, update, counted in kinds(question):
        show(f"designing {config}")
        fleets.append(_designed(question, config, side, update, counted, executor))
    stated = question.stated
    wanted = f"{stated.gpu_prefill}P+{stated.gpu_decode}D"
    asked = next(fleet for fleet in fleets if fleet.config == wanted)
    if asked.plan is None:
        raise InfeasibleError(f"{asked.config}: {asked.misses}")
    _raise_beyond(asked.plan, stated)
    return DesignedPhases(question, tuple(fleets), asked, question.case.notes)


Kind = tuple[str, str, dict[str, Any], Aggregated | Pair | None]


def kinds(question: Question) -> Iterator[Kind]:
    """Each kind of fleet: its name, its side, what it states, and what the rule counts.

    Raises InputError if no link joins the GPUs that were asked for.
    """
    stated, rate = question.stated, question.arrival_rate
    whole = {"thresholds": (), "max_pools": 1}
    for gpu in question.gpus:
        update = {**whole, "gpus": (gpu,), "phases": "together"}
        yield f"all-{gpu} aggregated", AGGREGATED, update, question.aggregated(gpu, rate)
    links = links_of(question)
    for prefill, decode in question.pairs:
        pair = question.pair(prefill, decode, rate)
        own = tuple(k for k in links if (k.prefill, k.decode) == (prefill, decode))
        update = {**whole, "phases": "apart", "links": own}
        yield pair.config, APART, update, pair
    if stated.max_pools > 1:
        yield "split aggregated", AGGREGATED, {"phases": "together"}, None
        yield "split apart", APART, {"phases": "apart", "links": stated.links}, None


def links_of(question: Question) -> tuple[Any, ...]:
    """The links of every pair of the two GPUs, in full. Raises InputError if there is none."""
    problem = problem_of(question, {"phases": "apart", "links": question.stated.links})
    return Case.of(problem).problem.links


def problem_of(question: Question, update: dict[str, Any]) -> FleetProblem:
    """The planning problem of a kind of fleet."""
    stated, base = question.stated, question.case.problem
    slo = (
        LatencyBound(metric="ttft", limit_ms=stated.slo_ttft_ms),
        LatencyBound(metric="tpot", limit_ms=stated.slo_tpot_ms),
    )
    keys = {"slo": slo, "max_pools": stated.max_pools, "verification": stated.verification}
    return base.model_copy(update={**keys, **update})


def _designed(
    question: Question,
    config: str,
    side: str,
    update: dict[str, Any],
    counted: Aggregated | Pair | None,
    executor: Executor | None,
) -> Designed:
    if side == APART and update["links"] == () and counted is not None:
        assert isinstance(counted, Pair)
        text = f"no link takes KV from {counted.prefill} to {counted.decode} (--link)"
        return Designed(config, side, None, counted, text)
    try:
        plan = _plan(Case.of(problem_of(question, update)), executor)
    except InfeasibleError as error:
        text = "; ".join(str(error).split("\n")[1:2]) or str(error)
        return Designed(config, side, None, counted, text)
    return Designed(config, side, plan, counted)


def _plan(case: Case, executor: Executor | None) -> Plan:
    """The cheapest fleet that the simulator accepts. Raises InfeasibleError."""
    options = case.problem.verification
    design = design_of(case, grey=options.enabled)
    first = design.optimum()
    if first.holding is Holding.NONE:
        raise explained(design)
    if not options.enabled:
        return assembly.plan(design, unverified(first), (), "")
    with judge_of(case, options, lambda _: None, executor) as judge:
        try:
            outcome: Outcome = accept(design, judge)
        except InfeasibleError as error:
            raise unverifiable(case, error) from None
    return assembly.plan(design, outcome, (), "")


def _raise_beyond(plan: Plan, stated: PhasesApart) -> None:
    """Raise InfeasibleError if a phase takes more replicas than are allowed."""
    most = {"prefill": stated.max_prefill, "decode": stated.max_decode}
    lines = [
        f"{pool.replicas:,} {pool.phase} replicas are needed, at most {most[pool.phase]:,} are "
        f"allowed (--max-{pool.phase})"
        for pool in plan.fleet.pools
        if pool.phase is not None and pool.replicas > most[pool.phase]
    ]
    if lines:
        raise InfeasibleError(f"{stated.gpu_prefill}P+{stated.gpu_decode}D: {'; '.join(lines)}")
