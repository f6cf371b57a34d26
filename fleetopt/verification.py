"""From a plan to the simulator's verdict, pool by pool, and the cut loop around it.

The verdict is on SLO attainment over replications: a pool passes if the one-sided lower
bound of every attainment reaches its percentile, and fails if an upper bound stays below;
else the replications double, in at most four stages that share the error probability. A
row that does not pass leaves the program, with those of fewer replicas, and the program is
solved again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Design
from fleetopt.optimization.solver import Holding, Solution
from fleetopt.plan import Interval, PoolVerification, RefusedRow, Verdict
from fleetopt.problem import LatencyBound, VerificationOptions
from fleetopt.simulation import statistics
from fleetopt.simulation.pool import METRICS, Horizon, PoolModel, Replication, replicate
from fleetopt.workload.arrivals import Poisson

SHORTEST_RESIDENCES = 5.0
"""Measured longest residences below which a run says nothing of the steady state."""
MOST_REQUESTS = 250_000
"""Requests of a replication above which a pool is simulated as a slice of itself."""
LEAST_SLICE = 16
"""Replicas that a slice keeps at least."""
SATURATED = 0.95
"""Share of replicas with requests waiting, from which growth counts as instability."""
MOST_REFUSALS = 300
"""Refused rows after which the simulator and the table are taken to disagree for good."""
_REFUSED = ("fail", "unstable", "inconclusive")
"""Verdicts that take a row out; a run that is too short says nothing against it."""
_FIRST, _FRESH, _AFRESH = 0, 1, 2
"""Rounds of seeds: first verdicts, the accepted plan once more, and a saved plan."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """A pool to be judged: the requests in (lo, hi] on n replicas of a profile."""

    lo_tokens: int
    hi_tokens: int
    profile: str
    replicas: int
    arrival_rate: float


@dataclass
class Judge:
    """Simulates pools of a case; each is judged once for every round of seeds."""

    case: Case
    options: VerificationOptions
    executor: Executor
    progress: Progress
    _known: dict[tuple[Judged, int], PoolVerification] = field(default_factory=dict)

    def verdict(self, pool: Judged, seed_round: int = _FIRST) -> PoolVerification:
        """What the simulator says of a pool."""
        key = (pool, seed_round)
        if key not in self._known:
            self.progress(f"simulating {_named(pool)}")
            self._known[key] = self._judge(pool, seed_round)
        return self._known[key]

    def afresh(self, pool: Judged) -> PoolVerification:
        """What the simulator says of a pool of a saved plan, on seeds of its own."""
        return self.verdict(pool, _AFRESH)

    def known(self, pool: Judged) -> PoolVerification | None:
        """A verdict given before, if there is one."""
        return self._known.get((pool, _FIRST))

    def _judge(self, pool: Judged, seed_round: int) -> PoolVerification:
        whole = self._model(pool)
        horizon = Horizon.by_law(whole, self.options.requests)
        model, parts = _slice(whole, horizon)
        too_short = _too_short(model, horizon)
        slo = self.case.problem.slo
        runs: list[Replication] = []
        verdict: Verdict = "inconclusive"
        for stage in range(statistics.STAGES):
            count = self.options.replications * 2**stage
            seeds = [
                np.random.SeedSequence(
                    self.options.seed, spawn_key=(seed_round, pool.lo_tokens, pool.hi_tokens, i)
                )
                for i in range(len(runs), count)
            ]
            runs += replicate(model, horizon, slo, seeds, self.executor)
            verdict = _verdict(runs, slo, horizon, model.replicas)
            if verdict != "inconclusive" or too_short:
                break
        if too_short and verdict != "unstable":
            verdict = "too short"
        reason = too_short if verdict == "too short" else _slice_note(parts, model)
        return _report(self.case, pool, verdict, runs, horizon, model, reason)

    def _model(self, pool: Judged) -> PoolModel:
        profile = self.case.profile(pool.profile)
        return PoolModel(
            profile.iteration,
            self.case.capacity(profile, pool.hi_tokens),
            pool.replicas,
            self.case.lengths.within(pool.lo_tokens, pool.hi_tokens),
            Poisson(pool.arrival_rate),
        )


@dataclass(frozen=True)
class Outcome:
    """A fleet of the program with its verdicts.

    first: the optimum before any row was refused.
    """

    solution: Solution
    first: Solution
    verdicts: tuple[PoolVerification, ...]
    refused: tuple[RefusedRow, ...]


def accept(design: Design, judge: Judge) -> Outcome:
    """The cheapest fleet that the simulator accepts, twice, the second time on fresh seeds.

    Raises InfeasibleError if the program runs out of fleets.
    """
    first = solution = design.optimum()
    refused: list[RefusedRow] = []
    while solution.holding is not Holding.NONE and len(refused) < MOST_REFUSALS:
        verdicts = _verdicts(judge, solution)
        bad = [
            (*chosen, said)
            for chosen, said in zip(solution.chosen, verdicts, strict=True)
            if said.verdict in _REFUSED
        ]
        if not bad:
            return Outcome(solution, first, tuple(verdicts), tuple(refused))
        for candidate, row, said in bad:
            refused.append(_refused(design, candidate, row, said))
            design.refuse(candidate, row.replicas)
        solution = design.optimum()
    raise InfeasibleError(
        f"no fleet passed the simulator: it refused {len(refused)} pools that the table would "
        "build; a longer SLO, more pools, looser limits or paged admission may help"
    )


def _verdicts(judge: Judge, solution: Solution) -> list[PoolVerification]:
    """First verdicts on the pools; if all pass, the verdicts on fresh seeds."""
    pools = [judged(candidate, row) for candidate, row in solution.chosen]
    first = [judge.verdict(pool) for pool in pools]
    if any(said.verdict != "pass" for said in first):
        return first
    return [judge.verdict(pool, _FRESH) for pool in pools]


def judged(candidate: Candidate, row: Row) -> Judged:
    """A chosen row as a pool to be judged."""
    return Judged(
        candidate.lo_tokens,
        candidate.hi_tokens,
        candidate.profile,
        row.replicas,
        candidate.arrival_rate,
    )


def overall(verdicts: Sequence[PoolVerification]) -> Verdict:
    """The verdict on a fleet: the worst of its pools'."""
    order: list[Verdict] = ["unstable", "fail", "too short", "inconclusive", "not verified"]
    said = {v.verdict for v in verdicts}
    return next((verdict for verdict in order if verdict in said), "pass")


def _verdict(
    runs: Sequence[Replication], slo: Sequence[LatencyBound], horizon: Horizon, replicas: int
) -> Verdict:
    if _growth(runs, horizon, replicas) is not None:
        return "unstable"
    error = (1.0 - statistics.CONFIDENCE) / statistics.STAGES
    lows, highs = [], []
    for i, bound in enumerate(slo):
        _, low, high = _attainment(runs, i, error)
        lows.append(low >= bound.percentile / 100.0)
        highs.append(high < bound.percentile / 100.0)
    if any(highs):
        return "fail"
    return "pass" if all(lows) else "inconclusive"


def _attainment(
    runs: Sequence[Replication], bound: int, error: float
) -> tuple[float, float, float]:
    missed = [run.missed[bound] for run in runs]
    return statistics.attainment_bounds(missed, [run.arrivals for run in runs], error)


def _growth(runs: Sequence[Replication], horizon: Horizon, replicas: int) -> float | None:
    """Growth of the backlog per second if the pool is unstable, else None."""
    times = np.linspace(0.0, horizon.measured_s, runs[0].backlog.size)
    slopes = [statistics.growth_per_s(times, run.backlog) for run in runs]
    saturated = np.mean([run.saturated[run.saturated.size // 2 :].mean() for run in runs])
    growth = statistics.mean_interval(slopes, confidence=0.99)
    if saturated >= SATURATED * replicas and growth.low > 0.0:
        return growth.estimate
    return None


def _slice(model: PoolModel, horizon: Horizon) -> tuple[PoolModel, int]:
    """A k-th part of a very large pool: as many replicas (rounded down) at a k-th of the rate.

    Pooling can only help, so a pool whose slice passes passes too. Of the k that make the
    slice small enough, the one that loses least by rounding down.
    """
    requests = model.arrivals.rate * horizon.arrivals_end_s
    least = math.ceil(requests / MOST_REQUESTS)
    most = min(2 * least, model.replicas // LEAST_SLICE)
    if least <= 1 or most <= 1:
        return model, 1
    parts = max(range(min(least, most), most + 1), key=lambda k: model.replicas // k * k)
    rate = model.arrivals.rate / parts
    return replace(model, replicas=model.replicas // parts, arrivals=Poisson(rate)), parts


def _slice_note(parts: int, model: PoolModel) -> str:
    if parts == 1:
        return ""
    return f"simulated as 1 of {parts} equal parts, {model.replicas:,} replicas"


def _too_short(model: PoolModel, horizon: Horizon) -> str:
    """Why a run is too short to say anything, with the length it needs; empty if it is not."""
    least_s = SHORTEST_RESIDENCES * model.longest_residence_s()
    if horizon.measured_s >= least_s:
        return ""
    requests = math.ceil(least_s * model.arrivals.rate)
    return (
        f"measured {horizon.measured_s:,.0f} s; its longest requests need {least_s:,.0f} s, "
        f"{requests:,} requests"
    )


def _report(
    case: Case,
    pool: Judged,
    verdict: Verdict,
    runs: Sequence[Replication],
    horizon: Horizon,
    model: PoolModel,
    reason: str,
) -> PoolVerification:
    latencies = [
        Interval(None, None, None) if verdict == "unstable" else _percentile(runs, metric)
        for metric in METRICS
    ]
    spread = (1.0 - statistics.CONFIDENCE) / 2
    shares = [_attainment(runs, i, spread) for i in range(len(case.problem.slo))]
    worst = min(shares, key=lambda share: share[0])
    return PoolVerification(
        verdict=verdict,
        p99_ttft_ms=latencies[0],
        p99_tpot_ms=latencies[1],
        p99_e2e_ms=latencies[2],
        slo_attainment=Interval(*worst),
        utilization=_utilization(runs, model),
        arrivals=sum(run.arrivals for run in runs),
        completed=sum(run.completed for run in runs),
        rejected=sum(run.rejected for run in runs),
        unfinished=sum(run.unfinished for run in runs),
        replications=len(runs),
        horizon_s=horizon.measured_s,
        backlog_per_s=_growth(runs, horizon, model.replicas) if verdict == "unstable" else None,
        reason=reason,
    )


def _percentile(runs: Sequence[Replication], metric: str) -> Interval:
    """P99 over all replications, in milliseconds."""
    quantiles = [1000.0 * run.quantiles_s[metric] for run in runs]
    if not np.isfinite(quantiles).all():
        return Interval(None, None, None)
    counts = [run.completed for run in runs]
    interval = statistics.percentile_interval(quantiles, counts, 99.0)
    return Interval(interval.estimate, max(0.0, interval.low), interval.high)


def _utilization(runs: Sequence[Replication], model: PoolModel) -> float:
    """Rho as the simulator saw it: work done over the work rate with every slot busy."""
    work = float(np.mean([run.work_rate for run in runs]))
    context = float(np.mean([run.mean_context_tokens for run in runs]))
    time, slots = model.iteration, model.capacity.batch(context)
    tau = time.base_s + time.per_context_token_s * context * slots
    return work * tau / (model.replicas * slots)


def _refused(design: Design, candidate: Candidate, row: Row, said: PoolVerification) -> RefusedRow:
    bound = design.case.problem.slo[0]
    predicted = (
        design.table(candidate).row(row.replicas).percentile_s(bound.metric, bound.percentile)
    )
    return RefusedRow(
        candidate.lo_tokens,
        candidate.hi_tokens,
        candidate.profile,
        row.replicas,
        1000.0 * (predicted or 0.0),
        said.verdict,
        said.p99_ttft_ms,
        said.slo_attainment,
    )


def _named(pool: Judged) -> str:
    return f"{pool.replicas} x {pool.profile} for ({pool.lo_tokens}, {pool.hi_tokens}]"
