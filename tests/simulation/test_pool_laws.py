"""Replications of a pool: conservation, horizons, and what more replicas do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from secrets import randbits

import numpy as np
import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem import LatencyBound
from fleetopt.simulation.kernel import run_pool
from fleetopt.simulation.pool import (
    RESIDENCES,
    Horizon,
    PoolModel,
    Replication,
    latencies_s,
    replicate,
)
from fleetopt.simulation.records import Engine, Requests, Window, checkpoints
from fleetopt.simulation.statistics import mean_interval
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

H100 = CalibratedProfile(read_profiles()["h100"])
AZURE = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(8192)
BOUND = LatencyBound(limit_ms=100.0)
CONFIDENCE = 1.0 - 1e-6
"""A false alarm of one interval is as rare as this."""


def pool(replicas: int, admission: str = "reserved") -> PoolModel:
    """Azure on H100 at 100 requests a second."""
    capacity = H100.reserved(8192) if admission == "reserved" else H100.paged(8192, 256)
    return PoolModel(H100.iteration, capacity, replicas, AZURE, Poisson(100.0))


def runs(
    model: PoolModel, count: int = 6, seconds: float = 60.0, entropy: int | None = None
) -> list[Replication]:
    """A few short replications; fresh ones unless entropy says to which others they are paired."""
    seeds = np.random.SeedSequence(entropy).spawn(count)
    horizon = Horizon(20.0, seconds, 20.0, 200.0)
    with ThreadPoolExecutor(2) as executor:
        return replicate(model, horizon, (BOUND,), seeds, executor)


@pytest.mark.parametrize("admission", ["reserved", "paged"])
@pytest.mark.parametrize("replicas", [2, 6])
def test_arrivals_are_conserved(replicas: int, admission: str) -> None:
    """Arrivals = completed + rejected + unfinished, in a stable and an overloaded pool."""
    for run in runs(pool(replicas, admission)):
        assert run.arrivals == run.completed + run.rejected + run.unfinished
        assert run.rejected == 0
        assert run.missed[0] >= run.unfinished
        assert run.arrivals > 0


def test_requests_that_never_fit_are_rejected_and_missed() -> None:
    """Lengths beyond the context window are turned away and count as missed."""
    capacity = replace(H100.reserved(8192), max_context=4096)
    model = replace(pool(6), capacity=capacity)
    run = runs(model, 1)[0]
    share = AZURE.share(4096, 8192)
    assert run.rejected / run.arrivals == pytest.approx(
        share, abs=6 * (share / run.arrivals) ** 0.5
    )
    assert run.missed[0] >= run.rejected
    assert run.arrivals == run.completed + run.rejected + run.unfinished


def test_same_seeds_same_runs_in_any_pool_of_workers() -> None:
    """The executor has no say in the result."""
    seeds = np.random.SeedSequence().spawn(3)
    horizon = Horizon(5.0, 20.0, 5.0, 50.0)
    outcomes = []
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as executor:
            outcomes.append(replicate(pool(6), horizon, (BOUND,), seeds, executor))
    for one, other in zip(*outcomes, strict=True):
        assert one.missed == other.missed
        assert one.percentile_s("ttft", 99.0) == other.percentile_s("ttft", 99.0)
    assert len({run.percentile_s("ttft", 99.0) for run in outcomes[0]}) == 3


@pytest.mark.parametrize("replicas", [4, 5, 6])
def test_one_replica_more_is_not_worse(replicas: int) -> None:
    """Paired by seeds, P99 TTFT falls on average."""
    entropy = randbits(128)
    fewer, more = (runs(pool(count), entropy=entropy) for count in (replicas, replicas + 1))
    saved = [
        a.percentile_s("ttft", 99.0) - b.percentile_s("ttft", 99.0)
        for a, b in zip(fewer, more, strict=True)
    ]
    assert np.mean(saved) > 0


def test_replicas_are_interchangeable() -> None:
    """Replicas differ in index only: each serves a like share, at like latencies."""
    model = pool(5)
    rng = np.random.default_rng()
    times = model.arrivals.times(rng, 1000.0)
    drawn = AZURE.sample(rng, times.size)
    requests = Requests(times, AZURE.prompt_tokens[drawn], AZURE.output_tokens[drawn])
    window = Window(0.0, 1000.0, 1200.0)
    engine = Engine.of(model.iteration, model.capacity)
    out = run_pool(engine, 5, requests, window, checkpoints(window))
    shares = np.bincount(out.replica, minlength=5) / times.size
    np.testing.assert_allclose(shares, 0.2, atol=0.02)
    # Serving each replica's requests on a pool of its own changes nothing for them,
    # whichever order the replicas stand in.
    for replica in reversed(range(5)):
        mine = out.replica == replica
        alone = run_pool(
            engine, 1, Requests(*(c[mine] for c in requests)), window, checkpoints(window)
        )
        assert np.array_equal(alone.end_s, out.end_s[mine])
        assert np.array_equal(alone.prefill_end_s, out.prefill_end_s[mine])


def test_work_done_is_work_arrived() -> None:
    """Sequence-iterations a second equal lambda E[v]; their context is the table's Lbar."""
    measured = runs(pool(7), 24, 120.0)
    prefill = -(-AZURE.prompt_tokens // H100.iteration.chunk_tokens)
    work = prefill + AZURE.output_tokens
    interval = mean_interval([run.work_rate for run in measured], CONFIDENCE)
    assert interval.low <= 100.0 * AZURE.mean(work) <= interval.high
    context = mean_interval([run.mean_context_tokens for run in measured], CONFIDENCE)
    assert context.low <= AZURE.mean(work * AZURE.total_tokens) / AZURE.mean(work) <= context.high


def test_overload_shows_as_growing_backlog() -> None:
    """Two replicas cannot carry it: the backlog grows and replicas stay saturated."""
    run = runs(pool(2), 1)[0]
    assert run.backlog[-1] > run.backlog[len(run.backlog) // 2] > 0
    assert (run.saturated[1:] == 2).all()


def test_horizon_covers_many_residences() -> None:
    """By law at least twenty longest residences, warm-up before and arrivals after."""
    model = pool(6)
    horizon = Horizon.by_law(model)
    assert horizon.measured_s >= RESIDENCES * model.longest_residence_s()
    window = horizon.window()
    assert window.warmup_s < window.measure_end_s < horizon.arrivals_end_s < window.stop_s
    assert Horizon.by_law(model, 5000).measured_s == pytest.approx(50.0)


def test_latencies_of_unfinished_requests_are_unknown() -> None:
    """A run that stops early leaves NaN, never a number."""
    model = pool(2)
    times = np.linspace(0.0, 10.0, 2000)
    drawn = AZURE.sample(np.random.default_rng(), times.size)
    requests = Requests(times, AZURE.prompt_tokens[drawn], AZURE.output_tokens[drawn])
    window = Window(0.0, 10.0, 12.0)
    engine = Engine.of(model.iteration, model.capacity)
    out = run_pool(engine, 2, requests, window, checkpoints(window))
    values = latencies_s(requests, out)
    open_ = np.isnan(out.end_s)
    assert open_.any()
    for metric in ("ttft", "tpot", "e2e"):
        assert np.array_equal(np.isnan(values[metric]), open_)
