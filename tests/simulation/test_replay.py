"""Replaying pools one by one is the fleet: another kernel, with the router inside, agrees."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from fleetopt.case import Case
from fleetopt.problem import FleetProblem
from fleetopt.simulation.fleet import Fleet, FleetOutcome, simulate_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_run import latencies_s
from fleetopt.simulation.records import Requests, Window
from fleetopt.simulation.replay import replay
from fleetopt.simulation.routing.by_length import ByLength
from fleetopt.workload.arrivals import ModulatedPoisson
from fleetopt.workload.traces import read_trace

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ENDS = ((0, 1024, "a10g", 3), (1024, 4096, "a100", 2), (4096, 16384, "h100", 1))


def bursty(seed: int, size: int = 3000) -> Requests:
    """Requests that come in bursts, of up to 16,384 tokens."""
    rng = np.random.default_rng(seed)
    times = ModulatedPoisson(200.0, 2.0, 4.0, 20.0).times(rng, 1000.0)[:size]
    prompt = 1 + rng.lognormal(6.0, 1.2, times.size).astype(np.int64).clip(max=14_000)
    return Requests(times, prompt, 1 + rng.integers(0, 2000, times.size))


def whole(case: Case, requests: Requests) -> FleetOutcome:
    """The same fleet behind a length router, in the kernel for fleets."""
    pools = []
    for lo, hi, name, replicas in ENDS:
        profile = case.profile(name)
        capacity = case.capacity(profile, hi)
        pools.append(FleetPool(f"{lo}", profile.iteration, capacity, replicas))
    window = Window(0.0, float(requests.arrival_s[-1]) + 1.0, 1e6)
    fleet = Fleet(tuple(pools), ByLength())
    return simulate_fleet(fleet, Traffic(*requests), window, np.random.default_rng(0))


@pytest.mark.parametrize("admission", ["reserved", "paged"])
def test_pools_one_by_one_are_the_fleet(admission: str) -> None:
    case = Case.of(FleetProblem.model_validate({"admission": admission}))
    requests = bursty(1)
    total = requests.prompt_tokens + requests.output_tokens
    together = latencies_s(whole(case, requests))
    for lo, hi, name, replicas in ENDS:
        here = (total > lo) & (total <= hi)
        part = Requests(*(column[here] for column in requests))
        profile = case.profile(name)
        alone = replay(profile.iteration, case.capacity(profile, hi), replicas, part)
        assert alone.arrivals == alone.completed + alone.rejected
        for metric, values in alone.latencies_s.items():
            np.testing.assert_allclose(values, together[metric][here], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["azure_code_2023.csv", "azure_conv_2023.csv"])
def test_real_traces_take_few_events(name: str) -> None:
    """Skipping iterations without a change leaves a few events for each request."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    trace = read_trace(path)
    case = Case.of(FleetProblem())
    requests = Requests(trace.arrival_s, trace.prompt_tokens, trace.output_tokens)
    started = time.perf_counter()
    seen = whole(case, requests)
    print(f"{name}: {len(trace)} requests in {time.perf_counter() - started:.3f} s")
    assert seen.trajectory.events <= 4 * len(trace)
    assert not np.isnan(latencies_s(seen)["e2e"]).any()
