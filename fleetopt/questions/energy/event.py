"""Less power for a while: a fleet before an event, through it and after it, by simulation.

The levers are pulled when the event begins and let go when it ends. A cap that no batch would have
reached is the same run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.errors import InputError
from fleetopt.plan import Interval
from fleetopt.problem import LatencyBound
from fleetopt.questions.energy.capped import CappedPool
from fleetopt.questions.energy.pools import power_of
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.fleets.answer import Standing, interval
from fleetopt.questions.fleets.simulating import workers
from fleetopt.simulation.event import Event, EventRun, Levers, Part, replicate_event
from fleetopt.simulation.pool import MIN_REQUESTS, PoolModel
from fleetopt.simulation.statistics import (
    CONFIDENCE,
    attainment_bounds,
    mean_interval,
    percentile_interval,
)
from fleetopt.workload.arrivals import Poisson

MOST_MINUTES = 1440.0
"""The longest event."""
_SPARE = 1.5
"""Times the recovery is watched that it would take if nothing were random."""
_LONGEST = 20.0
"""Most that is watched after an event, in lengths of it."""
_ONE_SIDE = 0.5 * (1.0 - CONFIDENCE)


@dataclass(frozen=True)
class PartOfEvent:
    """Requests that arrive before, during or after an event, with 95 % intervals.

    attained: share of them within the first bound of the SLO. kilowatts: mean draw meanwhile.
    """

    p99_ttft_ms: Interval
    attained: Interval
    kilowatts: Interval


@dataclass(frozen=True)
class SimulatedEvent:
    """A fleet through an event, with 95 % intervals.

    before, during, after: by the arrival of requests. backlog: waiting at the end of the event.
    recovery_s: from its end until no more wait than ever before it; nothing if that was not
    seen in every run. shed_kw: mean draw before it, less during it.
    standing: whether the requests that arrive during the event keep the SLO.
    """

    minutes: float
    before: PartOfEvent
    during: PartOfEvent
    after: PartOfEvent
    backlog: Interval
    recovery_s: Interval
    shed_kw: Interval
    standing: Standing

    @property
    def slo_met(self) -> bool | None:
        """Whether the SLO is kept during the event; None where the runs leave it open."""
        return {"pass": True, "fail": False}.get(self.standing)


def simulated_events(
    pool: CappedPool,
    levers: Collection[Levers],
    minutes: float,
    runs: Runs,
    progress: Callable[[str], None] | None = None,
) -> dict[Levers, SimulatedEvent]:
    """The pool through an event with each of the levers, all on the same arrivals.

    minutes: of the event. runs: `requests` arrive before it at least. Raises InputError.
    """
    check_minutes(minutes)
    model = _model(pool)
    seeds = np.random.SeedSequence(runs.seed).spawn(runs.replications)
    bounds, power = pool.case.problem.slo, power_of(pool.profile)
    found: dict[Levers, SimulatedEvent] = {}
    seen: dict[tuple[Event, Levers], list[EventRun]] = {}
    with workers(None, progress) as running:
        for each in sorted(levers, key=lambda lever: lever.cap, reverse=True):
            event = _event(pool, model, each, minutes, runs)
            key = event, replace(each, cap=0)
            alike = seen.get(key, ())
            if not alike or max(run.peak_batch for run in alike) > each.cap:
                if progress is not None:
                    progress(f"simulating an event with {in_words(each, pool)}")
                seen[key] = replicate_event(model, event, each, bounds, power, seeds, running)
            found[each] = _said(pool, seen[key], minutes)
    return found


def check_minutes(minutes: float) -> None:
    """Raise InputError for an event without a length, or too long a one."""
    if not 0.0 < minutes <= MOST_MINUTES:
        text = f"expected minutes above 0 and up to {MOST_MINUTES:g}, got {minutes:g}"
        raise InputError.single("event_minutes", text)


def in_words(levers: Levers, pool: CappedPool) -> str:
    """What levers do to a pool."""
    said = []
    if levers.cap < pool.slots:
        said.append(f"batches of at most {levers.cap}")
    if levers.replicas < pool.replicas:
        said.append(f"{pool.replicas - levers.replicas} replicas off")
    if levers.deferred:
        said.append(f"{100 * levers.deferred:.0f} % deferred")
    return ", ".join(said) or "every slot"


def _model(pool: CappedPool) -> PoolModel:
    lengths, arrivals = pool.case.lengths, Poisson(pool.case.arrival_rate)
    return PoolModel(pool.profile.iteration, pool.free.capacity, pool.replicas, lengths, arrivals)


def _event(pool: CappedPool, model: PoolModel, levers: Levers, minutes: float, runs: Runs) -> Event:
    """An event that is watched until the line that it leaves should be gone for long."""
    rate, event_s = pool.case.arrival_rate, 60.0 * minutes
    fewer = replace(pool, replicas=levers.replicas)
    left = event_s * max(0.0, rate * (1.0 - levers.deferred) - fewer.most_per_s(levers.cap))
    spare = pool.most_per_s(pool.slots) - rate
    gone_s = left / spare if spare > 0.0 else math.inf
    before_s = (MIN_REQUESTS if runs.requests is None else runs.requests) / rate
    after_s = max(before_s, min(_SPARE * gone_s, _LONGEST * event_s) if left else 0.0)
    return Event.by_law(model, event_s, before_s, after_s)


def _said(pool: CappedPool, runs: Sequence[EventRun], minutes: float) -> SimulatedEvent:
    bounds = pool.case.problem.slo
    before, during, after = (_part(pool, [run.parts[i] for run in runs]) for i in range(3))
    shed = [pool.gpus * (run.parts[0].watts - run.parts[1].watts) / 1000.0 for run in runs]
    return SimulatedEvent(
        minutes=minutes,
        before=before,
        during=during,
        after=after,
        backlog=interval(mean_interval([float(run.backlog) for run in runs]), least=0.0),
        recovery_s=interval(mean_interval([run.recovery_s for run in runs]), least=0.0),
        shed_kw=interval(mean_interval(shed)),
        standing=_standing(bounds, [run.parts[1] for run in runs]),
    )


def _part(pool: CappedPool, parts: Sequence[Part]) -> PartOfEvent:
    quantiles, completed = [part.ttft_s for part in parts], [part.arrivals for part in parts]
    share, low, high = _attained(parts, 0, _ONE_SIDE)
    drawn = [pool.gpus * part.watts / 1000.0 for part in parts]
    return PartOfEvent(
        p99_ttft_ms=interval(percentile_interval(quantiles, completed, 99.0), 1000.0, least=0.0),
        attained=Interval(share, low, high),
        kilowatts=interval(mean_interval(drawn), least=0.0),
    )


def _standing(bounds: Sequence[LatencyBound], parts: Sequence[Part]) -> Standing:
    """Whether the requests of the parts keep every bound, for sure."""
    error = 1.0 - CONFIDENCE
    found = [(_attained(parts, i, error), b.percentile / 100.0) for i, b in enumerate(bounds)]
    if any(high < percentile for (_, _, high), percentile in found):
        return "fail"
    if all(low >= percentile for (_, low, _), percentile in found):
        return "pass"
    return "inconclusive"


def _attained(parts: Sequence[Part], bound: int, error: float) -> tuple[float, float, float]:
    missed, arrivals = [p.missed[bound] for p in parts], [p.arrivals for p in parts]
    return attainment_bounds(missed, arrivals, error)
