"""From runs and their counterfactuals to the binding cause of a pool and a bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.plan import Interval
from fleetopt.problem import LatencyBound
from fleetopt.questions.explain.answer import Band, Examined, Finding, Removal
from fleetopt.questions.explain.causes import CHANGES, LEADING, PARTS, Cause
from fleetopt.questions.explain.seen import Accounts, Seen
from fleetopt.questions.explain.tallies import Tally, Units, attainment, gained, won_back
from fleetopt.questions.fleets.answer import Standing

Marks = Callable[[Accounts], np.ndarray]

LEAST_MISSES = 30
"""Misses below which the slowest requests are examined instead."""
MOST = 0.5
"""A cause matters if it wins back this part of what the best one wins back."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was simulated.

    names: of the pools. unstable: whether the backlog of each grows without end.
    counted: whether the estimate decides, because the traffic is one recording.
    """

    names: tuple[str, ...]
    unstable: tuple[bool, ...]
    base: tuple[Accounts, ...]
    changed: Mapping[Cause, Sequence[Seen]]
    units: Units
    too_short: bool
    counted: bool


def finding(
    evidence: Evidence, bound: LatencyBound, pool: int | None, value_ms: Interval
) -> Finding:
    """The finding of a pool, or of the fleet where it is None."""
    units, metric = evidence.units, bound.metric
    plain = units.tally(evidence.base, metric, bound.limit_s, pool)
    examined, limit_s = _examined(evidence, bound, pool, plain)
    base = units.tally(evidence.base, metric, limit_s, pool)
    beyond = [
        units.members(r, run, pool) & (run.latency_s[metric] > limit_s)
        for r, run in enumerate(evidence.base)
    ]
    removals = tuple(_removals(evidence, metric, limit_s, pool, base))
    shares = leading(evidence.base, beyond, metric)
    unstable = any(evidence.unstable) if pool is None else evidence.unstable[pool]
    mine = [units.members(r, run, pool) for r, run in enumerate(evidence.base)]
    return Finding(
        pool="" if pool is None else evidence.names[pool],
        bound=bound,
        standing=_standing(evidence, bound, attainment(plain), unstable),
        attained=attainment(plain),
        value_ms=Interval(None, None, None) if unstable else value_ms,
        arrivals=int(plain.arrivals.sum()),
        missed=plain.misses,
        examined=examined,
        limit_ms=1000.0 * limit_s,
        examined_count=base.misses,
        mean_ms=_mean_ms(evidence.base, beyond, metric),
        leading=shares,
        hopeless=_share(evidence.base, beyond, lambda run: run.alone(metric) > limit_s),
        clustered=float(base.missed.max()) / base.misses if base.misses else 0.0,
        removals=removals,
        cause=binding(removals, shares, examined, unstable) if base.misses else None,
        by_total=_bands([run.total_tokens for run in evidence.base], mine, beyond),
        by_prompt=_bands([run.prompt_tokens for run in evidence.base], mine, beyond),
    )


def binding(
    removals: Sequence[Removal],
    leads: Mapping[Cause, float],
    examined: Examined,
    unstable: bool,
) -> Cause:
    """The binding cause.

    Of the parts that win back at least half of what the best one does, it is the one that took
    most of the time in most of the requests; then, if one of the reasons for it wins back at
    least half as much, that reason. Where a backlog grows without end, it is instability.
    """
    if unstable:
        return Cause.INSTABILITY
    won = {one.cause: one.won_back.estimate or 0.0 for one in removals}
    best = max(won.get(part, 0.0) for part in LEADING)
    matter = [part for part in LEADING if part in won and won[part] >= MOST * best]
    part = max(matter if best > 0 else PARTS, key=lambda cause: leads.get(cause, 0.0))
    needed = MOST * max(won.get(part, 0.0), 1e-9)
    tried = [reason for reason in _reasons(part, examined) if won.get(reason, 0.0) >= needed]
    return max(tried, key=lambda reason: won[reason], default=part)


def _reasons(part: Cause, examined: Examined) -> tuple[Cause, ...]:
    """What can be behind a part of the time.

    Outages and bursts make batches larger too, so that requests miss whose own prefill is most
    of their time. Among the slowest of a fleet any change of the batch moves a few requests
    over the line, so there they are behind waits and interference only.
    """
    if part is Cause.WAIT:
        return Cause.OUTAGE, Cause.BURST, Cause.ADMISSION
    if part is Cause.WINDOW or (examined == "slowest" and part is not Cause.INTERFERENCE):
        return ()
    return Cause.OUTAGE, Cause.BURST


def standing_of(attained: Interval, percentile: float, counted: bool) -> Standing:
    """Whether a share keeps its percentile, by its interval or, if counted, by itself."""
    if attained.estimate is None:
        return "inconclusive"
    low, high = attained.low, attained.high
    if counted or low is None or high is None:
        low = high = attained.estimate
    if high < percentile / 100.0:
        return "fail"
    return "pass" if low >= percentile / 100.0 else "inconclusive"


def _standing(
    evidence: Evidence, bound: LatencyBound, attained: Interval, unstable: bool
) -> Standing:
    if unstable:
        return "unstable"
    if evidence.too_short:
        return "too short"
    return standing_of(attained, bound.percentile, evidence.counted)


def _examined(
    evidence: Evidence, bound: LatencyBound, pool: int | None, plain: Tally
) -> tuple[Examined, float]:
    """Which requests are examined: the misses, or if they are few the slowest ones."""
    if plain.misses >= LEAST_MISSES:
        return "misses", bound.limit_s
    found = np.concatenate(
        [
            run.latency_s[bound.metric][evidence.units.members(r, run, pool)]
            for r, run in enumerate(evidence.base)
        ]
    )
    if not found.size:
        return "misses", bound.limit_s
    limit_s = float(np.quantile(found, bound.percentile / 100.0, method="lower"))
    return ("slowest", limit_s) if limit_s < bound.limit_s else ("misses", bound.limit_s)


def _removals(
    evidence: Evidence, metric: str, limit_s: float, pool: int | None, base: Tally
) -> Iterator[Removal]:
    """Removals of all causes: parts of the time that are taken away, then simulated ones."""
    units = evidence.units
    parts = evidence.base[0].phases_s[metric]
    misfits = any(run.misfit.any() for run in evidence.base)
    for cause in (Cause.WAIT, Cause.DECODE, Cause.WINDOW):
        if cause in parts or (cause is Cause.WINDOW and misfits):
            beyond = [run.without(cause, metric, limit_s) > limit_s for run in evidence.base]
            yield _removal(cause, base, units.count_of(evidence.base, beyond, pool))
    for cause, runs in evidence.changed.items():
        if cause is not Cause.PREFILL or cause in parts:
            yield _removal(cause, base, units.tally(runs, metric, limit_s, pool))


def _removal(cause: Cause, base: Tally, changed: Tally) -> Removal:
    return Removal(
        cause, CHANGES[cause], attainment(changed), gained(base, changed), won_back(base, changed)
    )


def _mean_ms(
    base: Sequence[Accounts], beyond: Sequence[np.ndarray], metric: str
) -> dict[Cause, float]:
    """Mean time of the examined requests that were served, in each part."""
    served = [
        mine & np.isfinite(run.latency_s[metric]) for run, mine in zip(base, beyond, strict=True)
    ]
    count = sum(int(mine.sum()) for mine in served)
    if not count:
        return {}
    parts = [cause for cause in PARTS if cause in base[0].phases_s[metric]]
    return {
        part: 1000.0
        * sum(
            float(run.phases_s[metric][part][mine].sum())
            for run, mine in zip(base, served, strict=True)
        )
        / count
        for part in parts
    }


def leading(
    base: Sequence[Accounts], beyond: Sequence[np.ndarray], metric: str
) -> dict[Cause, float]:
    """Share of the examined requests of which each part is the longest."""
    counts = np.zeros(len(LEADING))
    for run, mine in zip(base, beyond, strict=True):
        counts += np.bincount(run.leading(metric)[mine], minlength=len(LEADING))
    whole = max(1.0, float(counts.sum()))
    return {cause: float(n) / whole for cause, n in zip(LEADING, counts, strict=True) if n}


def _share(base: Sequence[Accounts], beyond: Sequence[np.ndarray], marked: Marks) -> float:
    """Share of the examined requests that are marked."""
    count = sum(int(mine.sum()) for mine in beyond)
    hits = sum(int((marked(run) & mine).sum()) for run, mine in zip(base, beyond, strict=True))
    return hits / count if count else 0.0


def _bands(
    tokens: Sequence[np.ndarray], mine: Sequence[np.ndarray], beyond: Sequence[np.ndarray]
) -> tuple[Band, ...]:
    """Requests by length, in bands up to powers of 2; those without any beyond are one band
    below the others.
    """
    most = max(int(t[m].max(initial=1)) for t, m in zip(tokens, mine, strict=True))
    exponents = math.ceil(math.log2(max(2, most)))
    arrived, missed = np.zeros(exponents + 1), np.zeros(exponents + 1)
    for t, m, b in zip(tokens, mine, beyond, strict=True):
        band = np.ceil(np.log2(np.maximum(t, 1))).astype(np.int64)
        arrived += np.bincount(band[m], minlength=exponents + 1)[: exponents + 1]
        missed += np.bincount(band[b], minlength=exponents + 1)[: exponents + 1]
    first = int(np.argmax(missed > 0))
    bands = [Band(2 ** (k - 1) if k else 0, 2**k, int(arrived[k]), int(missed[k]))
             for k in range(first, exponents + 1)]  # fmt: skip
    below = int(arrived[:first].sum())
    lowest = [Band(0, bands[0].lo_tokens, below, 0)] if below else []
    return (*lowest, *(band for band in bands if band.arrivals))
