"""Pools through an event: what the parts of a run say, by the kernel and by its twin."""

from __future__ import annotations

import math
from dataclasses import replace
from secrets import randbits

import numpy as np
import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem import LatencyBound
from fleetopt.simulation import reference
from fleetopt.simulation.event import Event, EventRun, Levers, batches, run_event
from fleetopt.simulation.pool import PoolModel
from fleetopt.simulation.records import Engine, Requests, Trajectory, Window, checkpoints
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

H100 = CalibratedProfile(read_profiles()["h100"])
LENGTHS = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(8192)
MODEL = PoolModel(H100.iteration, H100.reserved(8192), 4, LENGTHS, Poisson(20.0))
SLO = (LatencyBound(limit_ms=500.0),)
EVENT = Event(20.0, 20.0, 40.0, 30.0)


def run(
    cap: int, event: Event = EVENT, model: PoolModel = MODEL, entropy: int | None = None
) -> EventRun:
    """A run on fresh requests, or on those of other runs of the same entropy."""
    seed = np.random.SeedSequence(entropy)
    return run_event(model, event, Levers(cap, model.replicas), SLO, H100.power, seed)


def assert_same(one: EventRun, other: EventRun) -> None:
    assert one.backlog == other.backlog
    assert one.recovery_s == other.recovery_s
    assert one.peak_batch == other.peak_batch
    for ours, theirs in zip(one.parts, other.parts, strict=True):
        assert (ours.arrivals, ours.missed, ours.watts) == (
            theirs.arrivals,
            theirs.missed,
            theirs.watts,
        )
        assert np.array_equal(ours.ttft_s, theirs.ttft_s, equal_nan=True)


@pytest.mark.parametrize("levers", [Levers(4, 4), Levers(8, 4), Levers(128, 2), Levers(9, 3, 0.2)])
def test_kernel_and_twin_say_the_same_of_an_event(levers: Levers) -> None:
    seed = np.random.SeedSequence()
    event = Event(2.0, 3.0, 6.0, 4.0)
    fast = run_event(MODEL, event, levers, SLO, H100.power, seed)
    slow = run_event(MODEL, event, levers, SLO, H100.power, seed, reference.run_pool)
    assert_same(fast, slow)


def test_a_cap_that_no_batch_reaches_is_the_same_run() -> None:
    entropy = randbits(128)
    free = run(128, entropy=entropy)
    assert 0 < free.peak_batch < 40
    assert_same(free, run(free.peak_batch, entropy=entropy))
    assert run(free.peak_batch - 1, entropy=entropy).parts[1].ttft_s[-1] >= free.parts[1].ttft_s[-1]


def test_a_cap_below_what_arrives_leaves_a_line_that_is_worked_off() -> None:
    """It grows by what cannot be served, and is gone after the fleet's spare capacity took it."""
    event = replace(EVENT, before_s=120.0, event_s=120.0, after_s=120.0)
    seen = [run(4, event) for _ in range(8)]
    before, during, after = zip(*(one.parts for one in seen), strict=True)
    assert all(part.missed[0] < 0.01 * part.arrivals for part in before)
    assert all(part.missed[0] > 0.9 * part.arrivals for part in during)
    assert all(part.missed[0] < part.arrivals for part in after)
    assert all(one.backlog > 300 for one in seen)
    assert all(0.0 < one.recovery_s < 60.0 for one in seen)
    assert all(one.peak_batch == 4 for one in seen)
    watts = [np.mean([part.watts for part in parts]) for parts in (during, before, after)]
    assert watts[0] < watts[1] < watts[2]


def test_replicas_that_are_off_draw_nothing_once_they_are_empty() -> None:
    """The same requests on three replicas of four, and then a fleet of three as it is."""
    event = replace(EVENT, event_s=4000.0)
    seed = np.random.SeedSequence()
    all_on = run_event(MODEL, event, Levers(128, 4), SLO, H100.power, seed)
    fewer = run_event(MODEL, event, Levers(128, 3), SLO, H100.power, seed)
    three = replace(MODEL, replicas=3)
    alone = run_event(three, event, Levers(128, 3), SLO, H100.power, seed)
    assert fewer.parts[0].watts == pytest.approx(all_on.parts[0].watts, rel=1e-12)
    assert 4 * fewer.parts[1].watts == pytest.approx(3 * alone.parts[1].watts, rel=0.02)
    assert fewer.parts[1].watts < all_on.parts[1].watts - 0.2 * H100.power.idle_w
    assert fewer.parts[1].ttft_s[-1] > all_on.parts[1].ttft_s[-1]


def test_a_share_of_the_requests_of_the_event_is_put_off() -> None:
    event = replace(EVENT, event_s=200.0)
    seed = np.random.SeedSequence()
    before, during, after = (
        (free.arrivals, less.arrivals)
        for free, less in zip(
            run_event(MODEL, event, Levers(128, 4), SLO, None, seed).parts,
            run_event(MODEL, event, Levers(128, 4, 0.25), SLO, None, seed).parts,
            strict=True,
        )
    )
    assert before[0] == before[1]
    assert after[0] == after[1]
    assert during[1] / during[0] == pytest.approx(0.75, abs=5 * math.sqrt(0.1875 / during[0]))


def test_a_pool_that_never_recovers_says_so() -> None:
    overloaded = replace(MODEL, arrivals=Poisson(80.0))
    assert math.isinf(run(2, EVENT, overloaded).recovery_s)


def test_stretches_are_the_batches_at_every_moment() -> None:
    """Counted request by request at random times."""
    rng = np.random.default_rng()
    times = Poisson(20.0).times(rng, 60.0)
    drawn = LENGTHS.sample(rng, times.size)
    requests = Requests(times, LENGTHS.prompt_tokens[drawn], LENGTHS.output_tokens[drawn])
    window = Window(10.0, 50.0, 100.0)
    engine = Engine.of(H100.iteration, H100.reserved(8192))
    out: Trajectory = reference.run_pool(engine, 2, requests, window, checkpoints(window, 2))
    begin, end, batch = batches(out, 50.0)
    for moment in rng.uniform(0.0, 50.0, 200):
        active = np.count_nonzero((out.admitted_s <= moment) & ~(out.end_s <= moment))
        assert batch[(begin <= moment) & (moment < end)].sum() == active


@pytest.mark.slow
@pytest.mark.parametrize(("cap", "keeps"), [(18, True), (13, True), (7, False), (1, False)])
def test_the_twin_agrees_with_the_event_in_the_long_run(cap: int, keeps: bool) -> None:
    """The published fleet at a tenth of its size, under the caps of 25 to 50 %, for good."""
    rng = np.random.default_rng()
    times = Poisson(20.0).times(rng, 170.0)
    drawn = LENGTHS.sample(rng, times.size)
    requests = Requests(times, LENGTHS.prompt_tokens[drawn], LENGTHS.output_tokens[drawn])
    window = Window(40.0, 160.0, 170.0)
    engine = Engine.of(H100.iteration, replace(H100.reserved(8192), slots=cap))
    out = reference.run_pool(engine, 4, requests, window, checkpoints(window, 2))
    measured = (times >= 40.0) & (times < 160.0)
    late = ~(out.prefill_end_s[measured] - times[measured] <= 0.5)
    event = run(cap, replace(EVENT, event_s=900.0)).parts[1]
    assert bool(late.mean() <= 0.01) is keeps
    assert (event.missed[0] <= 0.01 * event.arrivals) is keeps
