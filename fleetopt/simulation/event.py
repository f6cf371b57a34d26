"""A pool with less power for a while: before the event, during it and after it.

A cap holds back admissions from the begin of the event to its end, and the last replicas take no
requests; what they have by then they serve to its end, and are off. A share of the requests that
would arrive meanwhile is put off beyond the run. Requests are counted in the part of the run in
which they arrive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np

from fleetopt.performance.power import PowerModel
from fleetopt.problem import LatencyBound
from fleetopt.simulation.pool import RESIDENCES, WARMUP_RESIDENCES, PoolModel, fits, latencies_s
from fleetopt.simulation.records import (
    Engine,
    Floats,
    Ints,
    PoolLimits,
    Requests,
    Trajectory,
    Window,
)
from fleetopt.simulation.statistics import PROBABILITIES

STEP_S = 1.0
"""Time between two readings of the waiting line."""
_MOST_STEPS = 20_000

RunPool = Callable[[Engine, int, Requests, Window, Floats, PoolLimits], Trajectory]


@dataclass(frozen=True, slots=True)
class Event:
    """When a run is loaded, observed, capped, and observed again; in seconds.

    warmup_s, before_s, event_s, after_s: lengths of the parts, one after the other.
    """

    warmup_s: float
    before_s: float
    event_s: float
    after_s: float

    @classmethod
    def by_law(cls, model: PoolModel, event_s: float, before_s: float, after_s: float) -> Event:
        """An event in a loaded pool, with at least a longest residence on either side."""
        residence = model.longest_residence_s()
        warmup_s = WARMUP_RESIDENCES * residence
        return cls(warmup_s, max(before_s, residence), event_s, max(after_s, residence))

    @property
    def edges_s(self) -> Floats:
        """Begin of the part before, of the event, of the part after, and its end."""
        return np.cumsum([self.warmup_s, self.before_s, self.event_s, self.after_s])

    @property
    def step_s(self) -> float:
        """Time between two readings of the waiting line."""
        begin, *_, end = self.edges_s
        return max(STEP_S, float(end - begin) / _MOST_STEPS)


@dataclass(frozen=True, slots=True)
class Levers:
    """What a pool does with less power.

    cap: slots of a replica. replicas: those that stay on. deferred: share of the requests that is
    put off.
    """

    cap: int
    replicas: int
    deferred: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """Requests that arrived in one part of a run, and what the pool drew in it.

    ttft_s: quantiles of the completed ones at statistics.PROBABILITIES. missed: beyond each
    bound, unfinished ones beyond all. watts: mean draw of a GPU; NaN without a power model.
    """

    ttft_s: Floats
    arrivals: int
    missed: tuple[int, ...]
    watts: float


@dataclass(frozen=True, slots=True)
class EventRun:
    """One run through an event.

    parts: before, during and after it. backlog: waiting requests at its end.
    recovery_s: from its end until no more wait than ever before it; infinite if that is not
    seen. peak_batch: largest batch that a request joined during it; a cap that is no lower
    changes nothing.
    """

    parts: tuple[Part, Part, Part]
    backlog: int
    recovery_s: float
    peak_batch: int


def replicate_event(
    model: PoolModel,
    event: Event,
    levers: Levers,
    bounds: Sequence[LatencyBound],
    power: PowerModel | None,
    seeds: Sequence[np.random.SeedSequence],
    executor: Executor,
) -> list[EventRun]:
    """One run for each seed, in their order; levers: what the pool does during the event."""
    run = partial(run_event, model, event, levers, tuple(bounds), power)
    return list(executor.map(run, seeds))


def run_event(
    model: PoolModel,
    event: Event,
    levers: Levers,
    bounds: tuple[LatencyBound, ...],
    power: PowerModel | None,
    seed: np.random.SeedSequence,
    run_pool: RunPool | None = None,
) -> EventRun:
    """One run through an event on requests drawn with a seed; by the kernel if none is given."""
    if run_pool is None:
        from fleetopt.simulation import kernel

        run_pool = kernel.run_pool
    edges = event.edges_s
    end_s = float(edges[3])
    rest_s = model.longest_residence_s()
    rng = np.random.default_rng(seed)
    times = model.arrivals.times(rng, end_s + rest_s)
    drawn = model.lengths.sample(rng, times.size)
    lengths = model.lengths
    requests = Requests(times, lengths.prompt_tokens[drawn], lengths.output_tokens[drawn])
    kept = np.asarray(
        fits(requests, model.capacity) & ~_put_off(times, edges, levers.deferred, rng)
    )
    requests = Requests(*(column[kept] for column in requests))
    marks = np.concatenate(
        (np.arange(edges[0], edges[2], event.step_s), np.arange(edges[2], end_s, event.step_s))
    )
    out = run_pool(
        Engine.of(model.iteration, model.capacity),
        model.replicas,
        requests,
        Window(event.warmup_s, end_s, end_s + RESIDENCES * rest_s),
        marks,
        PoolLimits.of(
            (float(edges[1]), levers.cap, levers.replicas),
            (float(edges[2]), model.capacity.slots),
        ),
    )
    return _measured(model, event, levers, bounds, power, requests, out, marks)


def _put_off(times: Floats, edges: Floats, deferred: float, rng: np.random.Generator) -> np.ndarray:
    """Which requests come during the event and are put off."""
    during = (times >= edges[1]) & (times < edges[2])
    return np.asarray(during & (rng.random(times.size) < deferred))


def _measured(
    model: PoolModel,
    event: Event,
    levers: Levers,
    bounds: tuple[LatencyBound, ...],
    power: PowerModel | None,
    requests: Requests,
    out: Trajectory,
    marks: Floats,
) -> EventRun:
    edges = event.edges_s
    values = latencies_s(requests, out, model.iteration.first_token_s)
    stretches = batches(out, float(edges[3]))
    watts = np.full(3, np.nan)
    if power is not None:
        watts = mean_watts(power, model, stretches, edges)
        off_s = _off_s(out, model.replicas, levers.replicas, edges)
        watts[1] -= power.idle_w * off_s / (model.replicas * event.event_s)
    return EventRun(
        parts=(
            _part(requests, values, bounds, edges[0], edges[1], watts[0]),
            _part(requests, values, bounds, edges[1], edges[2], watts[1]),
            _part(requests, values, bounds, edges[2], edges[3], watts[2]),
        ),
        backlog=int(out.backlog[np.searchsorted(marks, edges[2])]),
        recovery_s=_recovery_s(marks, out.backlog, edges),
        peak_batch=_peak(stretches, edges[1], edges[2]),
    )


def _peak(stretches: tuple[Floats, Floats, Ints], least_s: float, most_s: float) -> int:
    """Largest batch that a request joined between two times."""
    begin, _, batch = stretches
    joined = (np.diff(batch, prepend=0) > 0) & (begin >= least_s) & (begin < most_s)
    return int(batch[joined].max(initial=0))


def _part(
    requests: Requests,
    values: dict[str, Floats],
    bounds: tuple[LatencyBound, ...],
    begin_s: float,
    end_s: float,
    watts: float,
) -> Part:
    inside = (requests.arrival_s >= begin_s) & (requests.arrival_s < end_s)
    ttft = values["ttft"][inside]
    ended = ~np.isnan(ttft)
    nothing = np.full(PROBABILITIES.size, np.nan)
    return Part(
        ttft_s=np.quantile(ttft[ended], PROBABILITIES) if ended.any() else nothing,
        arrivals=int(inside.sum()),
        missed=tuple(
            int(np.count_nonzero(~(values[bound.metric][inside] <= bound.limit_s)))
            for bound in bounds
        ),
        watts=float(watts),
    )


class Batched(Protocol):
    """Requests that ran: first admission and end in seconds, NaN where there was none."""

    @property
    def admitted_s(self) -> Floats:
        """First admission."""
        ...

    @property
    def end_s(self) -> Floats:
        """End of the last token."""
        ...

    @property
    def replica(self) -> Ints:
        """Where it ran."""
        ...


def batches(out: Batched, end_s: float) -> tuple[Floats, Floats, Ints]:
    """Stretches over which a replica's batch stays the same: their begin, end and sequences.

    Stretches of an empty batch may be missing. end_s: when the last ones end.
    """
    began = out.admitted_s < end_s  # not so for NaN
    left_s = np.fmin(out.end_s[began], end_s)
    joined_s = out.admitted_s[began]
    on = out.replica[began]
    times = np.concatenate((left_s, joined_s))
    steps = np.repeat([-1, 1], joined_s.size)
    order = np.lexsort((steps, times, np.concatenate((on, on))))
    begin, batch = times[order], np.cumsum(steps[order])
    end = np.append(begin[1:], end_s)
    return begin, np.where(batch > 0, end, begin), batch


def mean_watts(
    power: PowerModel, model: PoolModel, stretches: tuple[Floats, Floats, Ints], edges_s: Floats
) -> Floats:
    """Mean draw of one GPU in each part between two edges, in watts."""
    begin, end, batch = stretches
    above = np.array([0.0, *(power.watts(b) for b in range(1, 1 + int(batch.max(initial=0))))])
    above[1:] -= power.idle_w
    drawn = []
    for least, most in pairwise(edges_s):
        seconds = np.clip(end, least, most) - np.clip(begin, least, most)
        drawn.append(power.idle_w + seconds @ above[batch] / (model.replicas * (most - least)))
    return np.array(drawn)


def _off_s(out: Trajectory, replicas: int, left_on: int, edges: Floats) -> float:
    """Seconds of replicas that are off during the event, once they have served what they had."""
    seconds = 0.0
    for replica in range(left_on, replicas):
        mine = (out.replica == replica) & (out.admitted_s < edges[2])
        ends = np.nan_to_num(out.end_s[mine], nan=math.inf)
        seconds += max(0.0, float(edges[2] - ends.max(initial=edges[1])))
    return seconds


def _recovery_s(marks: Floats, backlog: Ints, edges: Floats) -> float:
    """Seconds from the end of the event until the line is as short as it ever was before."""
    before = backlog[marks < edges[1]].max(initial=0)
    after = marks >= edges[2]
    short = np.flatnonzero(after & (backlog <= before))
    return float(marks[short[0]] - edges[2]) if short.size else float("inf")
