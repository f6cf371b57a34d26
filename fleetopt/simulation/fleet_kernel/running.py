"""The way into the compiled fleet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fleetopt.simulation import kernel
from fleetopt.simulation.fleet_kernel.loop import run_events
from fleetopt.simulation.fleet_records import FleetRequests, FleetTrajectory, PoolEngine, Setting
from fleetopt.simulation.fleet_state import fleet_trajectory, new_fleet
from fleetopt.simulation.kernel import compiling


def run_fleet(
    pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting
) -> FleetTrajectory:
    """Simulate a fleet. Same result as the twin's.

    Raises ValueError if there is no pool, a pool has no replica, or arrivals are not in order.
    """
    fleet, linked = new_fleet(pools, requests, setting)
    run_events(fleet, linked if setting.links else None)
    return fleet_trajectory(fleet, linked)


def is_compiled() -> bool:
    """Whether a compiled kernel is in the cache, so that the next run starts at once."""
    return compiling.is_cached(run_events)


compiling.drop_stale(run_events, Path(__file__).parent, Path(kernel.__file__).parent)
