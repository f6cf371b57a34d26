"""Mean draw of a pool: enumerated by hand, and against the simulator's energy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from bundled_pools import PROFILES, WORKLOADS, table

from fleetopt.performance.power import LinearPower
from fleetopt.queueing.energy import mean_watts
from fleetopt.queueing.occupancy import occupancy
from fleetopt.simulation.fleet import Fleet
from fleetopt.simulation.fleet_model import FleetPool
from fleetopt.simulation.fleet_results import DrawnTraffic, replicate_fleet
from fleetopt.simulation.pool import Horizon
from fleetopt.simulation.routing import ByLength
from fleetopt.workload.arrivals import Poisson

LINEAR = LinearPower(100.0, 300.0, 1_000, "LOW", "")


def test_a_linear_curve_draws_by_the_mean_batch() -> None:
    """Then the spread over states and replicas is of no account: E[P] = P(E[n] / N)."""
    found = occupancy(900.0, 0.01, 0.0002, 3, 40)
    assert found.is_stable
    expected = 100.0 + 200.0 * found.mean() / 3 / 1_000
    assert mean_watts(found, LINEAR) == pytest.approx(expected, rel=1e-9)


def test_one_replica_draws_by_its_own_states() -> None:
    """Spelled out: idle with nothing, full while requests wait."""
    power = PROFILES["h100"].power
    assert power is not None
    found = occupancy(500.0, 0.01, 0.0005, 1, 12)
    watts = [power.idle_w] + [power.watts(n) for n in range(1, 13)]
    by_state = zip(found.states, found.probabilities, strict=True)
    expected = sum(watts[int(n)] * p for n, p in by_state) + watts[12] * found.wait_probability
    assert mean_watts(found, power) == pytest.approx(expected, rel=1e-12)


def test_an_overloaded_pool_draws_as_if_full() -> None:
    power = PROFILES["a100"].power
    assert power is not None
    found = occupancy(5_000.0, 0.01, 0.0005, 1, 12)
    assert not found.is_stable
    assert mean_watts(found, power) == power.watts(12)


@pytest.mark.parametrize(
    ("workload", "gpu", "rate", "hi", "replicas"),
    [
        ("azure", "h100", 100.0, 8192, 7),
        ("azure", "h100", 20.0, 8192, 8),
        ("azure", "a10g", 40.0, 8192, 12),
        ("lmsys", "a100", 60.0, 4096, 2),
        ("lmsys", "h100", 4.0, 4096, 6),
    ],
)
def test_table_draws_what_the_simulator_draws(
    workload: str, gpu: str, rate: float, hi: int, replicas: int
) -> None:
    """Within 3 %, from idle pools to busy ones."""
    profile = PROFILES[gpu]
    assert profile.power is not None
    lengths = WORKLOADS[workload].within(0, hi)
    said = mean_watts(table(workload, gpu, rate, hi=hi).occupancy(replicas), profile.power)
    pool = FleetPool("all", profile.iteration, profile.reserved(hi), replicas, power=profile.power)
    traffic = DrawnTraffic((("all", Poisson(rate), lengths),))
    horizon = Horizon(60.0, max(120.0, 2_000 / rate), 10.0, 200.0)
    seeds = np.random.SeedSequence().spawn(2)
    with ThreadPoolExecutor() as executor:
        runs = replicate_fleet(Fleet((pool,), ByLength()), traffic, horizon, (), seeds, executor)
    drawn = [(run.pools["all"].energy_j or 0.0) / run.measured_s / replicas for run in runs]
    assert said == pytest.approx(float(np.mean(drawn)), rel=0.03)
