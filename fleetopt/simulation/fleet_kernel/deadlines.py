"""Requests that give up waiting for their first admission."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.counts import add_count
from fleetopt.simulation.fleet_kernel.dispatch import reject
from fleetopt.simulation.fleet_kernel.queue import head_changed, remove_held, remove_waiting
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import inlined

_INF = math.inf
_UNFINISHED = int(Status.UNFINISHED)
_TIMEOUT = int(Status.TIMEOUT)


@inlined
def time_out(fleet: FleetState, linked: Any, run: Any, now: float) -> None:
    """The request whose deadline has come gives up."""
    q = run.deadline
    run.deadline += 1
    leave_queue(fleet, linked, q, now)
    reject(fleet, run, q, _TIMEOUT, now)


@inlined
def leave_queue(fleet: FleetState, linked: Any, q: int, now: float) -> None:
    """Take request q out of the queue that it stands in."""
    pool = fleet.pools[fleet.requests[q].pool]
    r = int(fleet.requests[q].replica)
    if r < 0:
        remove_held(pool, fleet.requests, q)
        return
    was_first = fleet.replicas[r].queue_head == q
    remove_waiting(fleet.replicas[r], fleet.requests, q)
    pool.waiting -= 1
    add_count(fleet, pool, r, -1)
    if was_first:
        head_changed(fleet, linked, pool, r, now)


@inlined
def next_deadline(requests: Any, run: Any, timeout_s: float) -> float:
    """When the next request that still waits for its first admission gives up."""
    if timeout_s == _INF:
        return _INF
    while run.deadline < run.arrived:
        request = requests[run.deadline]
        was_admitted = request.restarts > 0 or not math.isnan(request.admitted_s)
        if request.status == _UNFINISHED and not was_admitted:
            return request.arrival_s + timeout_s
        run.deadline += 1
    return _INF
