"""The judge on a trace: replays it on pools of a case, and counts.

A trace is one sample path, so a verdict is a plain count: a pool passes if the share of its
requests within every bound reaches the percentile on this trace. Intervals say how far that
share would differ on other traffic like it; they do not decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fleetopt.case import Case
from fleetopt.plan import Interval, PoolVerification, RecordedTraffic, Verdict
from fleetopt.problem import VerificationOptions
from fleetopt.simulation.pool import METRICS
from fleetopt.simulation.records import Requests
from fleetopt.simulation.replay import Replayed, replay
from fleetopt.verification.blocks import least_requests, percentile_interval_ms, share_interval
from fleetopt.verification.judge import Progress, named
from fleetopt.verification.least import least_passing
from fleetopt.verification.recording import Recording
from fleetopt.verification.verdicts import busy_share, worst_of
from fleetopt.verification.verifier import FIRST, Judged, Together
from fleetopt.workload.compression import Served

_NOTHING = Interval(None, None, None)


@dataclass
class TraceJudge:
    """Replays pools of a case on the trace; a round of seeds draws what is compressed."""

    case: Case
    recording: Recording
    options: VerificationOptions
    progress: Progress
    _known: dict[tuple[Judged, int], PoolVerification] = field(default_factory=dict)
    _missed: dict[tuple[Judged, int], tuple[int, ...]] = field(default_factory=dict)
    _least: dict[Judged, int] = field(default_factory=dict)
    _parts: dict[tuple[Served, int], Requests] = field(default_factory=dict)

    @property
    def traffic(self) -> RecordedTraffic:
        """The trace."""
        return self.recording.what

    def verdict(self, pool: Judged, seed_round: int = FIRST) -> PoolVerification:
        """What the trace says of a pool."""
        key = self._key(pool, seed_round)
        if key not in self._known:
            self.progress(f"replaying the trace on {named(pool)}")
            self._known[key] = self._report(pool, seed_round)
        return self._known[key]

    def known(self, pool: Judged) -> PoolVerification | None:
        """A verdict given before, if there is one; a replay counts as one."""
        key = self._key(pool, FIRST)
        return self.verdict(pool) if key in self._known or key in self._missed else None

    def together(self, pools: Sequence[Judged], seed_round: int = FIRST) -> Together:
        """What the trace says of a fleet by the requests of all its pools."""
        said = tuple(self.verdict(pool, seed_round) for pool in pools)
        seen = [self._replayed(p, seed_round) for p in pools if self._part(p, seed_round)[0].size]
        arrival_s = np.concatenate([run.arrival_s for run in seen])
        within = [
            np.concatenate([run.within(bound.metric, bound.limit_s) for run in seen])
            for bound in self.case.problem.slo
        ]
        missed = tuple(int(np.count_nonzero(~met)) for met in within)
        shares = tuple(share_interval(m, arrival_s, self.recording.duration_s) for m in within)
        return Together(self._verdict(missed, arrival_s.size), shares, said)

    def misses(self, pool: Judged) -> tuple[float, ...]:
        """Share of a pool's requests beyond each bound."""
        size = self._part(pool, FIRST).arrival_s.size
        return tuple(missed / max(size, 1) for missed in self._counted(pool, FIRST))

    def least(self, pool: Judged) -> float:
        """The least replicas from a pool's own upwards that pass.

        On every draw of what is compressed that a plan is judged on. Infinite if a replica
        for each request is not enough. The search starts at what pools inside it needed.
        """
        most = max(self._part(pool, round_).arrival_s.size for round_ in self._rounds(pool))
        if not most:
            return pool.replicas
        inside = [
            n
            for other, n in self._least.items()
            if other.profile == pool.profile
            and pool.lo_tokens <= other.lo_tokens
            and other.hi_tokens <= pool.hi_tokens
        ]
        found = least_passing(
            lambda n: self._passes(replace(pool, replicas=n)),
            pool.replicas,
            max(most, pool.replicas),
            max(inside, default=None),
        )
        if not math.isinf(found):
            self._least[pool] = int(found)
        return found

    def _passes(self, pool: Judged) -> bool:
        return all(
            self._verdict(self._counted(pool, round_), self._part(pool, round_).arrival_s.size)
            == "pass"
            for round_ in self._rounds(pool)
        )

    def _verdict(self, missed: Sequence[int], size: int) -> Verdict:
        """Whether a count reaches every percentile."""
        if not size:
            return "too short"
        bounds = zip(missed, self.case.problem.slo, strict=True)
        kept = all(count <= bound.allowed_miss * size * (1.0 + 1e-12) for count, bound in bounds)
        return "pass" if kept else "fail"

    def _counted(self, pool: Judged, seed_round: int) -> tuple[int, ...]:
        """Requests beyond each bound."""
        key = self._key(pool, seed_round)
        if key not in self._missed:
            self._missed[key] = self._misses_of(self._replayed(pool, seed_round))
        return self._missed[key]

    def _misses_of(self, run: Replayed) -> tuple[int, ...]:
        within = [run.within(bound.metric, bound.limit_s) for bound in self.case.problem.slo]
        return tuple(int(np.count_nonzero(~met)) for met in within)

    def _replayed(self, pool: Judged, seed_round: int) -> Replayed:
        profile = self.case.profile(pool.profile)
        capacity = self.case.capacity(profile, pool.hi_tokens)
        return replay(profile.iteration, capacity, pool.replicas, self._part(pool, seed_round))

    def _part(self, pool: Judged, seed_round: int) -> Requests:
        """The pool's requests."""
        ends = (pool.lo_tokens, pool.hi_tokens)
        what = self.case.serves(*ends, pool.gamma_lo, pool.gamma_hi)
        key = (what, self._key(pool, seed_round)[1])
        if key not in self._parts:
            seed = np.random.SeedSequence(self.options.seed, spawn_key=(key[1],))
            draws = np.random.default_rng(seed).random(self.recording.requests.arrival_s.size)
            self._parts[key] = self.recording.of_pool(what, draws)
        return self._parts[key]

    def _key(self, pool: Judged, seed_round: int) -> tuple[Judged, int]:
        """Rounds differ in nothing but what is compressed."""
        return pool, seed_round if max(pool.gamma_lo, pool.gamma_hi) > 1.0 else FIRST

    def _rounds(self, pool: Judged) -> range:
        return range(2 if max(pool.gamma_lo, pool.gamma_hi) > 1.0 else 1)

    def _report(self, pool: Judged, seed_round: int) -> PoolVerification:
        if not self._part(pool, seed_round).arrival_s.size:
            return self._without_requests(pool)
        slo, duration_s = self.case.problem.slo, self.recording.duration_s
        run = self._replayed(pool, seed_round)
        missed = self._misses_of(run)
        self._missed[self._key(pool, seed_round)] = missed
        latencies = [
            percentile_interval_ms(run.latencies_s[m], 99.0, run.arrival_s, duration_s)
            for m in METRICS
        ]
        attained = tuple(
            share_interval(run.within(b.metric, b.limit_s), run.arrival_s, duration_s) for b in slo
        )
        profile = self.case.profile(pool.profile)
        return PoolVerification(
            verdict=self._verdict(missed, run.arrivals),
            p99_ttft_ms=latencies[0],
            p99_tpot_ms=latencies[1],
            p99_e2e_ms=latencies[2],
            slo_attainment=worst_of(attained, slo),
            utilization=busy_share(
                run.work / duration_s,
                run.mean_context_tokens,
                profile.iteration,
                self.case.capacity(profile, pool.hi_tokens),
                pool.replicas,
            ),
            arrivals=run.arrivals,
            completed=run.completed,
            rejected=run.rejected,
            unfinished=run.arrivals - run.completed - run.rejected,
            replications=1,
            horizon_s=duration_s,
            reason=self._few(run.arrivals),
            attained=attained,
        )

    def _few(self, arrivals: int) -> str:
        """That a pool has too few requests to say more than what became of them."""
        percentiles = [bound.percentile for bound in self.case.problem.slo]
        least = least_requests(percentiles)
        if arrivals >= least:
            return ""
        return (
            f"it has {arrivals:,} requests of the trace; to show P{max(percentiles):g} for "
            f"traffic like it takes {least:,}"
        )

    def _without_requests(self, pool: Judged) -> PoolVerification:
        return PoolVerification(
            verdict="too short",
            p99_ttft_ms=_NOTHING,
            p99_tpot_ms=_NOTHING,
            p99_e2e_ms=_NOTHING,
            slo_attainment=_NOTHING,
            utilization=0.0,
            arrivals=0,
            completed=0,
            rejected=0,
            unfinished=0,
            replications=1,
            horizon_s=self.recording.duration_s,
            reason=f"no request of the trace is in ({pool.lo_tokens:,}, {pool.hi_tokens:,}] tokens",
            attained=(_NOTHING,) * len(self.case.problem.slo),
        )
