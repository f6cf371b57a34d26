"""The judge: simulates pools of a case until the verdict on each is clear."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from fleetopt.case import Case
from fleetopt.plan import PoolVerification, Verdict
from fleetopt.problem import Phase, VerificationOptions
from fleetopt.simulation import statistics
from fleetopt.simulation.pool import Horizon, PoolModel, Replication, replicate
from fleetopt.verification.phase_trials import METRICS_OF, PairTrial, pair_trial
from fleetopt.verification.verdicts import (
    intervals_together,
    report,
    too_short_note,
    verdict_on,
    verdict_together,
)
from fleetopt.verification.verifier import FIRST, Judged, Together
from fleetopt.workload.arrivals import ArrivalProcess, Poisson

MOST_REQUESTS = 250_000
"""Requests of a replication above which a pool is simulated as a slice of itself."""
LEAST_SLICE = 16
"""Replicas that a slice keeps at least."""

Progress = Callable[[str], None]


@dataclass
class Trial:
    """A pool in the simulator with the replications that were run so far.

    parts: of how many equal slices of the pool `model` is one.
    too_short: why runs say nothing of the steady state; empty if they do.
    phase: the one that the pool does; its runs are those of its pair then.
    """

    model: PoolModel
    parts: int
    horizon: Horizon
    too_short: str
    phase: Phase | None = None
    runs: list[Replication] = field(default_factory=list)


@dataclass
class Judge:
    """Simulates pools of a case, each once for every round of seeds.

    arrivals: makes the arrival process of a pool from its rate.
    stages: in how many the replications may double; fewer leave more verdicts inconclusive.
    """

    case: Case
    options: VerificationOptions
    executor: Executor
    progress: Progress
    traffic: None = None
    arrivals: Callable[[float], ArrivalProcess] = Poisson
    stages: int = statistics.STAGES
    _known: dict[tuple[Judged, int], PoolVerification] = field(default_factory=dict)
    _trials: dict[tuple[Judged, int], Trial] = field(default_factory=dict)
    _pairs: dict[tuple[Judged, int], PairTrial] = field(default_factory=dict)

    def quicker(self, stages: int) -> Judge:
        """The same runs judged in fewer stages."""
        return replace(self, stages=stages, _known={})

    def verdict(self, pool: Judged, seed_round: int = FIRST) -> PoolVerification:
        """What the simulator says of a pool."""
        key = (pool, seed_round)
        if key not in self._known:
            self._known[key] = self._judge(pool, seed_round)
        return self._known[key]

    def known(self, pool: Judged) -> PoolVerification | None:
        """A verdict given before, if there is one."""
        return self._known.get((pool, FIRST))

    def together(self, pools: Sequence[Judged], seed_round: int = FIRST) -> Together:
        """What the simulator says of a fleet by the requests of all its pools.

        A pool that is unstable, or whose run is too short, decides for the fleet.
        """
        slo = self.case.problem.slo
        rate = sum(pool.arrival_rate for pool in pools)
        trials = [self._trial(pool, seed_round) for pool in pools]
        for stage in range(self.stages):
            runs = [self._runs(pool, seed_round, stage) for pool in pools]
            own = [self._verdict(*pair) for pair in zip(trials, runs, strict=True)]
            shares = [(p.arrival_rate / rate, seen) for p, seen in zip(pools, runs, strict=True)]
            verdict = _deciding(own) or verdict_together(shares, slo)
            if verdict != "inconclusive":
                break
        said = tuple(self._report(*parts) for parts in zip(trials, runs, own, strict=True))
        return Together(verdict, intervals_together(shares, len(slo)), said)

    def misses(self, pool: Judged) -> tuple[float, ...]:
        """Share of a pool's requests beyond each bound, over everything simulated of it."""
        trials = [trial for (known, _), trial in self._trials.items() if known == pool]
        runs = [run for trial in trials for run in trial.runs]
        arrivals = sum(run.arrivals for run in runs)
        bounds = range(len(self.case.problem.slo))
        return tuple(sum(run.missed[i] for run in runs) / arrivals for i in bounds)

    def least(self, pool: Judged) -> None:
        """Not looked for: the program offers the next row, and its verdict is awaited."""
        return

    def _judge(self, pool: Judged, seed_round: int) -> PoolVerification:
        trial = self._trial(pool, seed_round)
        for stage in range(self.stages):
            runs = self._runs(pool, seed_round, stage)
            verdict = self._verdict(trial, runs)
            if verdict != "inconclusive":
                break
        return self._report(trial, runs, verdict)

    def _verdict(self, trial: Trial, runs: Sequence[Replication]) -> Verdict:
        """The verdict on a pool by itself."""
        slo, metrics = self.case.problem.slo, METRICS_OF[trial.phase]
        verdict = verdict_on(runs, slo, trial.horizon, trial.model.replicas, metrics)
        return "too short" if trial.too_short and verdict != "unstable" else verdict

    def _report(
        self, trial: Trial, runs: Sequence[Replication], verdict: Verdict
    ) -> PoolVerification:
        note = _slice_note(trial.parts, trial.model)
        reason = trial.too_short if verdict == "too short" else note
        slo = self.case.problem.slo
        metrics = METRICS_OF[trial.phase]
        return report(slo, verdict, runs, trial.horizon, trial.model, reason, metrics)

    def _trial(self, pool: Judged, seed_round: int) -> Trial:
        key = (pool, seed_round)
        if key not in self._trials and pool.phase is not None:
            pair = self._pair(pool, seed_round)
            model = pair.phase(pool.phase)
            note = too_short_note(model, pair.horizon)
            self._trials[key] = Trial(model, 1, pair.horizon, note, pool.phase)
        if key not in self._trials:
            whole = self.model(pool)
            horizon = Horizon.by_law(whole, self.options.requests)
            model, parts = self._slice(whole, horizon)
            self._trials[key] = Trial(model, parts, horizon, too_short_note(model, horizon))
        return self._trials[key]

    def _runs(self, pool: Judged, seed_round: int, stage: int) -> list[Replication]:
        """The replications of a pool up to a stage; both phases of a pair are in the same ones."""
        slo, count = self.case.problem.slo, self.options.replications * 2**stage
        if pool.phase is not None:
            pair = self._pair(pool, seed_round)
            pair.run(self._seeds(pool, seed_round, len(pair.runs), count), slo, self.executor)
            return pair.runs_of(pool.phase, count)
        trial = self._trial(pool, seed_round)
        seeds = self._seeds(pool, seed_round, len(trial.runs), count)
        trial.runs += replicate(trial.model, trial.horizon, slo, seeds, self.executor)
        return trial.runs[:count]

    def _pair(self, pool: Judged, seed_round: int) -> PairTrial:
        """The pair that a pool of one phase belongs to."""
        key = (pool.whole, seed_round)
        if key not in self._pairs:
            arrivals = self.arrivals(pool.arrival_rate)
            self._pairs[key] = pair_trial(self.case, pool, arrivals, self.options.requests)
        return self._pairs[key]

    def _seeds(
        self, pool: Judged, seed_round: int, known: int, count: int
    ) -> list[np.random.SeedSequence]:
        """Of the replications of a pool that are still to be run."""
        if not known:
            self.progress(f"simulating {named(pool)}")
        key = (seed_round, pool.lo_tokens, pool.hi_tokens)
        seed = self.options.seed
        return [np.random.SeedSequence(seed, spawn_key=(*key, i)) for i in range(known, count)]

    def model(self, pool: Judged) -> PoolModel:
        """A pool as it is simulated."""
        profile = self.case.profile(pool.profile)
        ends = (pool.lo_tokens, pool.hi_tokens)
        what = self.case.serves(*ends, pool.gamma_lo, pool.gamma_hi)
        return PoolModel(
            profile.iteration,
            self.case.capacity(profile, pool.hi_tokens),
            pool.replicas,
            self.case.lengths.served(what)[0],
            self.arrivals(pool.arrival_rate),
        )

    def _slice(self, model: PoolModel, horizon: Horizon) -> tuple[PoolModel, int]:
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
        return replace(model, replicas=model.replicas // parts, arrivals=self.arrivals(rate)), parts


def _deciding(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict of a pool that decides for the fleet; None if there is none."""
    order: tuple[Verdict, ...] = ("unstable", "too short")
    return next((verdict for verdict in order if verdict in verdicts), None)


def _slice_note(parts: int, model: PoolModel) -> str:
    if parts == 1:
        return ""
    return f"simulated as 1 of {parts} equal parts, {model.replicas:,} replicas"


def named(pool: Judged) -> str:
    """A pool in words."""
    lengths = f"for ({pool.lo_tokens}, {pool.hi_tokens}]"
    if pool.phase is None:
        return f"{pool.replicas} x {pool.profile} {lengths}"
    first = pool.whole
    decode = f"{first.partner_replicas} x {first.partner} that decode"
    return f"{first.replicas} x {first.profile} that prefill and {decode} {lengths}"
