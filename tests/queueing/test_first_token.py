"""What clients wait outside of a replica: the same in tables, in bounds and in both simulators."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.prefill import LIMITS, ComputedPool, lengths_of
from fleetopt.optimization.tables import kind_on
from fleetopt.performance.coefficient import CoefficientProfile
from fleetopt.performance.engines import spec_of
from fleetopt.problem import CoefficientSpec, LatencyBound
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.simulation.fleet import Fleet, simulate_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_run import latencies_s
from fleetopt.simulation.pool import Horizon, replicate
from fleetopt.simulation.records import Requests, Window
from fleetopt.simulation.replay import replay
from fleetopt.simulation.routing import ByLength
from fleetopt.simulation.statistics import percentile_interval

POOL = ComputedPool("azure", 1024, 3072, "llama-3.1-8b", "h100", 1, 8192, 3, "paged", 27.0, 300.0)
OUTSIDE_S = 0.12


def table(first_token_s: float) -> OccupancyTable:
    """The pool's table on a stated profile with such a wait."""
    spec = spec_of(POOL.profile, "made").model_copy(update={"first_token_s": first_token_s})
    profile = CoefficientProfile(CoefficientSpec.model_validate(spec.model_dump()))
    load = load_table(lengths_of(POOL.workload), profile.iteration)
    requests = load.between(POOL.lo_tokens, POOL.hi_tokens, POOL.arrival_rate)
    return kind_on(profile)(requests, profile, POOL.capacity, POOL.lo_tokens, LIMITS)


@pytest.mark.parametrize("metric", ["ttft", "tpot", "e2e"])
def test_rows_and_idle_bounds_have_it(metric: str) -> None:
    """Percentiles move by it, a limit that moves too is missed as often; TPOT does not feel it."""
    near, far = table(0.0), table(OUTSIDE_S)
    moved_s = 0.0 if metric == "tpot" else OUTSIDE_S
    plain, late = near.row(3), far.row(3)
    seconds = plain.percentile_s(metric, 99.0)
    assert late.percentile_s(metric, 99.0) == pytest.approx(seconds + moved_s, rel=1e-9)
    for stretch in (0.8, 1.0, 1.1):
        limit_s = stretch * seconds
        bound = LatencyBound(metric=metric, limit_ms=1e3 * limit_s)
        moved = LatencyBound(metric=metric, limit_ms=1e3 * (limit_s + moved_s))
        assert late.miss(moved) == pytest.approx(plain.miss(bound), abs=1e-9)
        assert late.is_within(moved) == plain.is_within(bound)
    assert far.fastest_s(bound) == pytest.approx(near.fastest_s(bound) + moved_s)
    assert far.least_miss(moved) == pytest.approx(near.least_miss(bound))


def test_the_table_agrees_with_the_simulation() -> None:
    """P99 of TTFT and E2E, of which the wait is a large part, within 5 %."""
    found, model = table(OUTSIDE_S).row(3), POOL.model()
    model = replace(model, iteration=replace(model.iteration, first_token_s=OUTSIDE_S))
    seeds = np.random.SeedSequence().spawn(8)
    horizon = replace(Horizon.by_law(model), measured_s=POOL.measured_s)
    with ThreadPoolExecutor(2) as executor:
        runs = replicate(model, horizon, (), seeds, executor)
    counts = [run.completed for run in runs]
    for metric in ("ttft", "e2e"):
        seen = percentile_interval([run.quantiles_s[metric] for run in runs], counts, 99.0)
        assert found.percentile_s(metric, 99.0) == pytest.approx(seen.estimate, rel=0.05)
        assert seen.estimate > OUTSIDE_S


def test_every_simulator_adds_it_to_every_request() -> None:
    """A replayed trace and a fleet of one pool, with it and without."""
    model, rng = POOL.model(), np.random.default_rng()
    drawn = model.lengths.sample(rng, 400)
    lengths = model.lengths
    times = np.cumsum(rng.exponential(1.0 / POOL.arrival_rate, drawn.size))
    asked = (times, lengths.prompt_tokens[drawn], lengths.output_tokens[drawn])
    found: dict[float, list[dict[str, np.ndarray]]] = {}
    for first_s in (0.0, OUTSIDE_S):
        time = replace(model.iteration, first_token_s=first_s)
        fleet = Fleet((FleetPool("all", time, model.capacity, 3),), ByLength())
        run = simulate_fleet(fleet, Traffic(*asked), Window(0.0, 1e9, 1e9), rng)
        traced = replay(time, model.capacity, 3, Requests(*asked))
        found[first_s] = [latencies_s(run), traced.latencies_s]
    for plain, late in zip(found[0.0], found[OUTSIDE_S], strict=True):
        assert late["tpot"] == pytest.approx(plain["tpot"])
        for metric in ("ttft", "e2e"):
            assert late[metric] - plain[metric] == pytest.approx(OUTSIDE_S, abs=1e-9)
