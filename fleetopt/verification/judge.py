"""The judge: simulates pools of a case until the verdict on each is clear."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from fleetopt.case import Case
from fleetopt.plan import PoolVerification, Verdict
from fleetopt.problem import VerificationOptions
from fleetopt.simulation import statistics
from fleetopt.simulation.pool import Horizon, PoolModel, Replication, replicate
from fleetopt.verification.verdicts import report, too_short_note, verdict_on
from fleetopt.workload.arrivals import Poisson

MOST_REQUESTS = 250_000
"""Requests of a replication above which a pool is simulated as a slice of itself."""
LEAST_SLICE = 16
"""Replicas that a slice keeps at least."""
FIRST, FRESH, AFRESH = 0, 1, 2
"""Rounds of seeds: first verdicts, the accepted plan once more, and a saved plan."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """A pool to be judged: the requests in (lo, hi] on n replicas of a profile.

    gamma_lo, gamma_hi: what is compressed into the pool below, and into this one.
    """

    lo_tokens: int
    hi_tokens: int
    profile: str
    replicas: int
    arrival_rate: float
    gamma_lo: float = 1.0
    gamma_hi: float = 1.0


@dataclass
class Judge:
    """Simulates pools of a case; each is judged once for every round of seeds."""

    case: Case
    options: VerificationOptions
    executor: Executor
    progress: Progress
    _known: dict[tuple[Judged, int], PoolVerification] = field(default_factory=dict)

    def verdict(self, pool: Judged, seed_round: int = FIRST) -> PoolVerification:
        """What the simulator says of a pool."""
        key = (pool, seed_round)
        if key not in self._known:
            self.progress(f"simulating {_named(pool)}")
            self._known[key] = self._judge(pool, seed_round)
        return self._known[key]

    def afresh(self, pool: Judged) -> PoolVerification:
        """What the simulator says of a pool of a saved plan, on seeds of its own."""
        return self.verdict(pool, AFRESH)

    def known(self, pool: Judged) -> PoolVerification | None:
        """A verdict given before, if there is one."""
        return self._known.get((pool, FIRST))

    def _judge(self, pool: Judged, seed_round: int) -> PoolVerification:
        whole = self._model(pool)
        horizon = Horizon.by_law(whole, self.options.requests)
        model, parts = _slice(whole, horizon)
        too_short = too_short_note(model, horizon)
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
            verdict = verdict_on(runs, slo, horizon, model.replicas)
            if verdict != "inconclusive" or too_short:
                break
        if too_short and verdict != "unstable":
            verdict = "too short"
        reason = too_short if verdict == "too short" else _slice_note(parts, model)
        return report(slo, verdict, runs, horizon, model, reason)

    def _model(self, pool: Judged) -> PoolModel:
        profile = self.case.profile(pool.profile)
        ends = (pool.lo_tokens, pool.hi_tokens)
        what = self.case.serves(*ends, pool.gamma_lo, pool.gamma_hi)
        return PoolModel(
            profile.iteration,
            self.case.capacity(profile, pool.hi_tokens),
            pool.replicas,
            self.case.lengths.served(what)[0],
            Poisson(pool.arrival_rate),
        )


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


def _named(pool: Judged) -> str:
    return f"{pool.replicas} x {pool.profile} for ({pool.lo_tokens}, {pool.hi_tokens}]"
