"""`place`: tables first, then the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.optimization.tables import PhaseTables, maker
from fleetopt.performance.phase_links import PhasePairs
from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.questions.fleets.simulating import workers
from fleetopt.questions.placement.answer import Placed, Placement
from fleetopt.questions.placement.rates import (
    Choice,
    Phase,
    RatedTable,
    Rates,
    best_alone,
    best_choice,
)
from fleetopt.questions.placement.rule import MeanRequest
from fleetopt.questions.placement.trials import attained
from fleetopt.workload.compression import Served

MAX_GPUS = 16
"""GPUs of a placement unless the problem says how many."""
STEP = 0.97
STEPS = 8
"""How far the rate is lowered, and how often, until simulation attains the share."""
Progress = Callable[[str], None]


def place(
    problem: FleetProblem,
    attainment: float = 0.9,
    beside: Path | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Placement:
    """The placement with the largest rate per GPU at which a share of requests is in time.

    problem: its lengths, profiles or model, links, bounds on TTFT and on TPOT, and max_gpus; the
        arrival rate is the answer. attainment: share of the requests that keep both bounds.
    Raises InputError with every fault, and InfeasibleError if no placement keeps the bounds.
    """
    question = Question(problem, attainment, beside)
    show = progress or (lambda _: None)
    show("rates by the tables")
    apart, considered, tried = question.apart()
    together = question.together()
    if apart is None and together is None:
        text = f"no placement on {question.max_gpus} GPUs keeps both bounds for "
        raise InfeasibleError(f"{text}{100 * attainment:g} % of the requests at any rate")
    rule, promised = question.by_rule()
    if problem.verification.enabled:
        with workers(executor, progress) as running:
            show("simulating the best of each kind")
            apart, together = (question.verified(p, running) for p in (apart, together))
    ttft, tpot = question.bounds
    return Placement(
        attainment, ttft.limit_ms, tpot.limit_ms, question.max_gpus, apart, together, rule,
        promised, considered, tried, question.case.notes,
    )  # fmt: skip


class Question:
    """A problem with its tables, and what they say of every placement."""

    def __init__(
        self, problem: FleetProblem, attainment: float, beside: Path | None = None
    ) -> None:
        """Read what the problem names. Raises InputError with every fault."""
        if not 0.0 < attainment < 1.0:
            raise InputError.single("attainment", f"must be between 0 and 1, got {attainment:g}")
        self.bounds = _bounds(problem, 100.0 * attainment)
        update = {"slo": self.bounds, "phases": "either", "thresholds": (), "max_pools": 1}
        self.case = Case.of(problem.model_copy(update=update), beside)
        self.max_gpus = problem.max_gpus or MAX_GPUS
        self.rates = Rates(attainment)
        self.whole = Served(0, self.case.breakpoints[-1])
        self._tables = PhaseTables(self.case)
        self._phases: dict[tuple[str, str, str], Phase] = {}

    def prefill(self, name: str, pairs: PhasePairs) -> Phase:
        """Replicas that prefill before a link."""
        table = self._tables.prefill(self.case.profile(name), pairs, self.whole)
        return self._phase(("prefill", name, pairs.name), table, self.bounds[:1])

    def decode(self, name: str) -> Phase:
        """Replicas that decode."""
        table = self._tables.decode(self.case.profile(name), self.whole)
        return self._phase(("decode", name, ""), table, self.bounds[1:])

    def _phase(
        self, key: tuple[str, str, str], table: RatedTable, bounds: tuple[LatencyBound, ...]
    ) -> Phase:
        if key not in self._phases:
            profile, cap = self.case.profile(key[1]), self.case.problem.max_utilization
            self._phases[key] = Phase(profile.name, profile.gpus_per_replica, table, bounds, cap)
        return self._phases[key]

    def linked(self) -> Iterator[tuple[PhasePairs, ReplicaProfile, ReplicaProfile]]:
        """Every pair of profiles that both have room for the longest request."""
        for pairs in self.case.phase_pairs:
            for first in map(self.case.profile, pairs.prefill):
                for second in map(self.case.profile, pairs.decode):
                    if self._has_room(first) and self._has_room(second):
                        yield pairs, first, second

    def apart(self) -> tuple[Placed | None, int, int]:
        """The best placement with both phases apart, how many there are, and how many tried."""
        pairs = [(self.prefill(a.name, p), self.decode(b.name)) for p, a, b in self.linked()]
        choice, rate, considered, tried = best_choice(self.rates, pairs, self.max_gpus)
        return (None if choice is None else self._placed(choice, rate)), considered, tried

    def together(self) -> Placed | None:
        """The best pool of both phases."""
        phases = [
            self._phase(("both", p.name, ""), maker(self.case, p)(self.whole, 1.0), self.bounds)
            for p in self.case.profiles
            if self._has_room(p)
        ]
        phase, n, rate = best_alone(self.rates, phases, self.max_gpus)
        if phase is None:
            return None
        usd = n * self.case.profile(phase.profile).usd_per_hour
        return Placed(phase.profile, n, "", 0, n * phase.gpus, usd, rate)

    def by_rule(self) -> tuple[Placed | None, float]:
        """The choice of AIConfigurator's rule at its rate by the tables, and as promised."""
        request, (ttft, tpot) = MeanRequest.of(self.case.lengths), self.bounds
        best, promised = None, 0.0
        for pairs, a, b in self.linked():
            own = request.prefill_rate(a, ttft.limit_s)
            other = request.decode_rate(b, self._capacity(b), tpot.limit_s)
            for n in range(1, self.max_gpus // a.gpus_per_replica + 1):
                left = (self.max_gpus - n * a.gpus_per_replica) // b.gpus_per_replica
                for m in range(1, left + 1):
                    choice = Choice(self.prefill(a.name, pairs), n, self.decode(b.name), m)
                    rate = min(n * own, m * other)
                    if rate > 0.0 and (
                        best is None or rate / choice.gpus > (1 + 1e-9) * promised / best.gpus
                    ):
                        best, promised = choice, rate
        if best is None:
            return None, 0.0
        rate = self.rates.both(best.first, best.n_first, best.second, best.n_second)
        return self._placed(best, rate), promised

    def verified(self, placed: Placed | None, executor: Executor) -> Placed | None:
        """A placement at a rate at which the simulator attains the share; None if far below."""
        if placed is None:
            return None
        pairs = next(
            (p for p in self.case.phase_pairs
             if placed.prefill in p.prefill and placed.decode in p.decode),
            None,
        )  # fmt: skip
        for _ in range(STEPS):
            found = attained(self.case, placed, pairs, self.bounds, executor)
            placed = replace(placed, attained=found)
            if (found.low or 0.0) >= self.rates.attainment:
                return placed
            placed = replace(placed, rate=STEP * placed.rate, attained=None)
        return None

    def _placed(self, choice: Choice, rate: float) -> Placed:
        first, second = (self.case.profile(p.profile) for p in (choice.first, choice.second))
        usd = choice.n_first * first.usd_per_hour + choice.n_second * second.usd_per_hour
        return Placed(
            first.name, choice.n_first, second.name, choice.n_second, choice.gpus, usd, rate
        )

    def _capacity(self, profile: ReplicaProfile) -> Capacity:
        return self.case.capacity(profile, self.whole.hi_tokens)

    def _has_room(self, profile: ReplicaProfile) -> bool:
        return self._capacity(profile).slots >= 1


def _bounds(problem: FleetProblem, percentile: float) -> tuple[LatencyBound, ...]:
    """The bound on TTFT and that on TPOT, at the percentile. Raises InputError."""
    found = {bound.metric: bound for bound in problem.slo}
    if set(found) != {"ttft", "tpot"} or len(problem.slo) != 2:
        text = "one bound on TTFT and one on TPOT are expected"
        raise InputError.single("slo", text, "such as slo = ['p90 ttft 500', 'p90 tpot 50']")
    return tuple(
        found[metric].model_copy(update={"percentile": percentile}) for metric in ("ttft", "tpot")
    )
