"""What replications of a pool say: its verdict and the figures that go with it.

The verdict is on SLO attainment: a pool passes if the one-sided lower bound of every
attainment reaches its percentile, and fails if an upper bound stays below; the error
probability is divided over the stages in which replications may double.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.plan import Interval, PoolVerification, Verdict
from fleetopt.problem import LatencyBound
from fleetopt.simulation import statistics
from fleetopt.simulation.pool import METRICS, Horizon, PoolModel, Replication

SHORTEST_RESIDENCES = 5.0
"""Measured longest residences below which a run says nothing of the steady state."""
_SPREAD = (1.0 - statistics.CONFIDENCE) / 2
"""Error probability on each side of a reported interval."""
SATURATED = 0.95
"""Share of replicas with requests waiting, from which growth counts as instability."""


def overall(verdicts: Sequence[PoolVerification]) -> Verdict:
    """The verdict on a fleet: the worst of its pools'."""
    order: list[Verdict] = ["unstable", "fail", "too short", "inconclusive", "not verified"]
    said = {v.verdict for v in verdicts}
    return next((verdict for verdict in order if verdict in said), "pass")


def verdict_on(
    runs: Sequence[Replication],
    slo: Sequence[LatencyBound],
    horizon: Horizon,
    replicas: int,
    metrics: Collection[str] = METRICS,
) -> Verdict:
    """The verdict on a pool of `replicas`, by every bound of the SLO on these metrics."""
    if growth(runs, horizon, replicas) is not None:
        return "unstable"
    return _by_bounds(slo, lambda i, error: attainment(runs, i, error), metrics)


def verdict_together(
    pools: Sequence[tuple[float, Sequence[Replication]]], slo: Sequence[LatencyBound]
) -> Verdict:
    """The verdict on stable pools by all their requests, each with its share of them."""
    return _by_bounds(slo, lambda i, error: attainment_together(pools, i, error))


def _by_bounds(
    slo: Sequence[LatencyBound],
    attained: Callable[[int, float], tuple[float, float, float]],
    metrics: Collection[str] = METRICS,
) -> Verdict:
    """Pass if every bound is attained for sure, fail if one is missed for sure.

    attained: estimate, lower and upper limit of what is attained of a bound, by its position
        and the error that each limit may have.
    """
    error = (1.0 - statistics.CONFIDENCE) / statistics.STAGES
    limits = [
        (attained(i, error), bound.percentile / 100.0)
        for i, bound in enumerate(slo)
        if bound.metric in metrics
    ]
    if any(high < needed for (_, _, high), needed in limits):
        return "fail"
    return "pass" if all(low >= needed for (_, low, _), needed in limits) else "inconclusive"


def attainment_together(
    pools: Sequence[tuple[float, Sequence[Replication]]], bound: int, error: float
) -> tuple[float, float, float]:
    """Share of all requests within a bound, and its one-sided bounds with this error each."""
    strata = [
        statistics.Stratum(share, [r.missed[bound] for r in runs], [r.arrivals for r in runs])
        for share, runs in pools
    ]
    return statistics.stratified_bounds(strata, error)


def intervals_together(
    pools: Sequence[tuple[float, Sequence[Replication]]], bounds: int
) -> tuple[Interval, ...]:
    """Share of all requests within each of so many bounds, with 95 % intervals."""
    return tuple(Interval(*attainment_together(pools, i, _SPREAD)) for i in range(bounds))


def attainment(runs: Sequence[Replication], bound: int, error: float) -> tuple[float, float, float]:
    """Share of arrivals within a bound, and its one-sided bounds with this error each."""
    missed = [run.missed[bound] for run in runs]
    return statistics.attainment_bounds(missed, [run.arrivals for run in runs], error)


def growth(runs: Sequence[Replication], horizon: Horizon, replicas: int) -> float | None:
    """Growth of the backlog per second if the pool is unstable, else None."""
    times = np.linspace(0.0, horizon.measured_s, runs[0].backlog.size)
    slopes = [statistics.growth_per_s(times, run.backlog) for run in runs]
    saturated = np.mean([run.saturated[run.saturated.size // 2 :].mean() for run in runs])
    growth = statistics.mean_interval(slopes, confidence=0.99)
    if saturated >= SATURATED * replicas and growth.low > 0.0:
        return growth.estimate
    return None


def too_short_note(model: PoolModel, horizon: Horizon) -> str:
    """Why a run is too short to say anything, with the length it needs; empty if it is not."""
    least_s = SHORTEST_RESIDENCES * model.longest_residence_s()
    if horizon.measured_s >= least_s:
        return ""
    requests = math.ceil(least_s * model.arrivals.rate)
    return (
        f"measured {horizon.measured_s:,.0f} s; its longest requests need {least_s:,.0f} s, "
        f"{requests:,} requests"
    )


def report(
    slo: Sequence[LatencyBound],
    verdict: Verdict,
    runs: Sequence[Replication],
    horizon: Horizon,
    model: PoolModel,
    reason: str,
    metrics: Collection[str] = METRICS,
) -> PoolVerification:
    """The verdict with the figures of all replications.

    metrics: those that the pool is held to; where prefill and decode are apart, a latency
        stands with the pool that it ends in.
    """
    shown = ("tpot", "e2e") if tuple(metrics) == ("tpot",) else metrics
    latencies = [
        _percentile(runs, metric)
        if verdict != "unstable" and metric in shown
        else Interval(None, None, None)
        for metric in METRICS
    ]
    attained = tuple(Interval(*attainment(runs, i, _SPREAD)) for i in range(len(slo)))
    return PoolVerification(
        verdict=verdict,
        p99_ttft_ms=latencies[0],
        p99_tpot_ms=latencies[1],
        p99_e2e_ms=latencies[2],
        slo_attainment=_worst_of(attained, slo, metrics),
        utilization=_utilization(runs, model),
        arrivals=sum(run.arrivals for run in runs),
        completed=sum(run.completed for run in runs),
        rejected=sum(run.rejected for run in runs),
        unfinished=sum(run.unfinished for run in runs),
        replications=len(runs),
        horizon_s=horizon.measured_s,
        backlog_per_s=growth(runs, horizon, model.replicas) if verdict == "unstable" else None,
        reason=reason,
        attained=attained,
    )


def _worst_of(
    attained: Sequence[Interval], slo: Sequence[LatencyBound], metrics: Collection[str]
) -> Interval:
    """The same of the bounds on some metrics; of all where no bound is on any of them."""
    own = [pair for pair in zip(attained, slo, strict=True) if pair[1].metric in metrics]
    if not own:
        return worst_of(attained, slo)
    return worst_of([seen for seen, _ in own], [bound for _, bound in own])


def worst_of(attained: Sequence[Interval], slo: Sequence[LatencyBound]) -> Interval:
    """The attainment that misses most of what its bound allows."""
    pairs = zip(attained, slo, strict=True)
    return max(pairs, key=lambda pair: (1.0 - (pair[0].estimate or 0.0)) / pair[1].allowed_miss)[0]


def _percentile(runs: Sequence[Replication], metric: str) -> Interval:
    """P99 over all replications, in milliseconds."""
    quantiles = [1000.0 * run.quantiles_s[metric] for run in runs]
    if not np.isfinite(quantiles).all():
        return Interval(None, None, None)
    counts = [run.completed for run in runs]
    interval = statistics.percentile_interval(quantiles, counts, 99.0)
    return Interval(interval.estimate, max(0.0, interval.low), interval.high)


def _utilization(runs: Sequence[Replication], model: PoolModel) -> float:
    """Rho as the simulator saw it, over all replications."""
    work = float(np.mean([run.work_rate for run in runs]))
    context = float(np.mean([run.mean_context_tokens for run in runs]))
    return busy_share(work, context, model.iteration, model.capacity, model.replicas)


def busy_share(
    work_rate: float, context: float, time: IterationTime, capacity: Capacity, replicas: int
) -> float:
    """Work done over the work rate with every slot busy."""
    slots = capacity.batch(context)
    tau = time.base_s + time.per_context_token_s * context * slots
    return work_rate * tau / (replicas * slots)
