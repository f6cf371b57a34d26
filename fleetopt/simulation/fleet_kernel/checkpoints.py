"""What a run reads at checkpoints, and whether it goes on."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_records import Stop
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled

_DIVERGED = int(Stop.DIVERGED)


@compiled
def pass_checkpoints(fleet: FleetState, run: Any) -> None:
    """Read the checkpoints up to now; stop at one at which a backlog diverges."""
    while run.seen < fleet.checkpoint_s.size and fleet.checkpoint_s[run.seen] <= run.now:
        mark = run.seen
        read(fleet, mark)
        run.seen += 1
        if fleet.stop_early == 1 and diverges(fleet, mark):
            run.stop = _DIVERGED
            run.now = fleet.checkpoint_s[mark]
            return


@compiled
def read(fleet: FleetState, mark: int) -> None:
    """Write a checkpoint's row of the time series."""
    for p in range(fleet.pools.size):
        pool = fleet.pools[p]
        fleet.series[0, mark, p] = pool.waiting
        fleet.series[1, mark, p] = pool.active
        fleet.series[2, mark, p] = pool.completed
        fleet.series[3, mark, p] = pool.up
        for r in range(pool.first, pool.last):
            fleet.series[4, mark, p] += fleet.replicas[r].waiting > 0


@compiled
def diverges(fleet: FleetState, mark: int) -> bool:
    """Whether a growing backlog could not drain in the time left even without arrivals.

    Its pool would have to serve faster than it did since the run's middle checkpoint. A pool
    that has not served a batch since then, as after a cold start or while all its replicas
    are down, says nothing yet.
    """
    if mark + 1 < fleet.least_marks:
        return False
    half = mark // 2
    series = fleet.series
    span = fleet.checkpoint_s[mark] - fleet.checkpoint_s[half]
    left_s = fleet.window.stop_s - fleet.checkpoint_s[mark]
    for p in range(fleet.pools.size):
        served = series[2, mark, p] - series[2, half, p]
        waiting = series[0, mark, p]
        tells = series[3, mark, p] > 0 and served >= max(series[1, mark, p], 1)
        if tells and waiting > series[0, half, p] and waiting * span > served * left_s:
            return True
    return False
