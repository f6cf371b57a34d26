"""What simulation says of a fleet, and of those that it refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleetopt.plan.fleet import CLOSED, Fleet
from fleetopt.problem import Phase

Verdict = Literal["pass", "fail", "inconclusive", "unstable", "too short", "not verified"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval; None where there is none."""

    estimate: float | None
    low: float | None
    high: float | None
    __pydantic_config__ = CLOSED

    def scaled(self, factor: float) -> Interval:
        """The same in other units; factor: above 0."""
        ends = (self.estimate, self.low, self.high)
        return Interval(*(None if end is None else factor * end for end in ends))


@dataclass(frozen=True)
class PoolVerification:
    """What the simulator says of one pool.

    verdict: of the sequential test on the attainment; in scope fleet on the pool's own,
        which does not decide.
    p99_ttft_ms, p99_tpot_ms, p99_e2e_ms: simulated percentiles.
    slo_attainment: share of measured arrivals that met every bound (the worst bound's).
    utilization: work done over the work rate with every slot busy.
    arrivals, completed, rejected, unfinished: over all replications; the last three add up
        to the first.
    replications: runs with random numbers of their own.
    horizon_s: measured time of each.
    backlog_per_s: growth of the waiting line, for an unstable pool.
    reason: why the run is too short, or what else there is to know.
    attained: share of measured arrivals within each bound, in the order of the SLO.
    """

    verdict: Verdict
    p99_ttft_ms: Interval
    p99_tpot_ms: Interval
    p99_e2e_ms: Interval
    slo_attainment: Interval
    utilization: float
    arrivals: int
    completed: int
    rejected: int
    unfinished: int
    replications: int
    horizon_s: float
    backlog_per_s: float | None = None
    reason: str = ""
    attained: tuple[Interval, ...] = ()
    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class RecordedTraffic:
    """A trace that a fleet was simulated on, request by request with their own times.

    path, sha256: of the file. requests, duration_s: as recorded.
    clipped: requests beyond the largest context that were cut to it.
    rejected: those that were left out, because the problem turns them away.
    """

    path: str
    sha256: str
    requests: int
    duration_s: float
    clipped: int = 0
    rejected: int = 0
    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class Verification:
    """The verdict over all pools, with the effort that went into it.

    verdict: the worst of the pools'; in scope fleet, on the requests of all pools together.
    requests: arrivals measured in all pools.
    replications: the most of any pool.
    seed: from which all random numbers come.
    attained: in scope fleet, share of all requests within each bound.
    trace: the recorded traffic that it was done on; null for Poisson arrivals. On a trace
        verdicts are counts, and intervals come from its blocks of time.
    """

    verdict: Verdict
    requests: int
    replications: int
    seed: int
    pools: tuple[PoolVerification, ...]
    attained: tuple[Interval, ...] = ()
    trace: RecordedTraffic | None = None
    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class RefusedRow:
    """A table row that simulation refused, and why.

    predicted_ms: percentile of the first bound, by the table.
    compression: of the pool, see `Pool`.
    needs: on a trace, the least replicas found to keep the SLO in this pool; null at Poisson
        arrivals, and where no number does.
    phase: of the pool, see `Pool`; a pool of one phase has the first bound on its own metric.
    """

    lo_tokens: int
    hi_tokens: int
    profile: str
    replicas: int
    predicted_ms: float
    verdict: Verdict
    p99_ttft_ms: Interval
    slo_attainment: Interval
    compression: float = 1.0
    needs: int | None = None
    phase: Phase | None = None
    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class RefusedFleet:
    """A fleet that the program chose in scope fleet and that did not pass.

    attained: share of all requests within each bound, as simulated.
    """

    fleet: Fleet
    usd_per_year: float
    verdict: Verdict
    attained: tuple[Interval, ...]
    __pydantic_config__ = CLOSED
