"""Energy of a run, rebuilt from when each request was admitted and ended."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.simulation.fleet import Fleet, FleetOutcome, simulate_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_run import measure
from fleetopt.simulation.records import Window
from fleetopt.simulation.routing import ByLength
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

WINDOW = Window(20.0, 80.0, 300.0)


def outcome(rate: float, replicas: int) -> FleetOutcome:
    profile = CalibratedProfile(read_profiles()["h100"])
    lengths = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(8192)
    rng = np.random.default_rng()
    times = Poisson(rate).times(rng, 90.0)
    drawn = lengths.sample(rng, times.size)
    traffic = Traffic(times, lengths.prompt_tokens[drawn], lengths.output_tokens[drawn])
    pool = FleetPool(
        "all", profile.iteration, profile.reserved(8192), replicas, power=profile.power
    )
    return simulate_fleet(Fleet((pool,), ByLength()), traffic, WINDOW, rng)


def energy_of_requests(run: FleetOutcome) -> float:
    """Draw of each replica by the requests on it, summed over the stretches between changes."""
    pool = run.fleet.pools[0]
    assert pool.power is not None
    admitted, end, on = (run.column(name) for name in ("admitted_s", "end_s", "replica"))
    admitted, end = (np.nan_to_num(times, nan=np.inf) for times in (admitted, end))
    joules = 0.0
    for replica in range(pool.replicas):
        mine = on == replica
        changes = np.concatenate((admitted[mine], end[mine], [WINDOW.warmup_s]))
        steps = np.concatenate((np.ones(mine.sum()), -np.ones(mine.sum()), [0.0]))
        order = np.argsort(changes, kind="stable")
        times = np.append(changes[order], np.inf).clip(WINDOW.warmup_s, WINDOW.measure_end_s)
        for batch, seconds in zip(np.cumsum(steps[order]), np.diff(times), strict=True):
            draw_w = pool.power.watts(float(batch)) if batch > 0 else pool.power.idle_w
            joules += draw_w * seconds
    return joules


@pytest.mark.parametrize(("rate", "replicas"), [(40.0, 3), (10.0, 6)])
def test_energy_is_power_by_batch_times_time(rate: float, replicas: int) -> None:
    """Within 1 %: a request joins the batch when the running iteration is over."""
    run = outcome(rate, replicas)
    measured = measure(run, ()).pools["all"].energy_j
    assert measured == pytest.approx(energy_of_requests(run), rel=0.01)
