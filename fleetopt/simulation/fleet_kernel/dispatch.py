"""The way of a request to its replica, or out of the fleet."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_kernel.batch import admit, begin_epoch, next_event
from fleetopt.simulation.fleet_kernel.clients import client_sends
from fleetopt.simulation.fleet_kernel.counts import add_count
from fleetopt.simulation.fleet_kernel.kv import blocks, has_room
from fleetopt.simulation.fleet_kernel.queue import (
    head_changed,
    hold,
    insert_waiting,
    plan_admission,
    set_time,
)
from fleetopt.simulation.fleet_kernel.routes import choose
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled, inlined

_TOO_LONG = int(Status.TOO_LONG)
_NO_POOL = int(Status.NO_POOL)
_QUEUE_FULL = int(Status.QUEUE_FULL)
_PREFILL = int(Role.PREFILL)


@inlined
def bring(fleet: FleetState, linked: Any, run: Any, q: int, now: float) -> None:
    """Route request q and bring it to its replica, or turn it away."""
    r = place(fleet, linked, run, q, now)
    if r >= 0:
        join(fleet, linked, r, q, now)


@inlined
def place(fleet: FleetState, linked: Any, run: Any, q: int, now: float) -> int:
    """The replica for request q; -1 if it is turned away, or waits for one to come up."""
    request = fleet.requests[q]
    if request.pool < 0:
        reject(fleet, run, q, _NO_POOL, now)
        return -1
    r = choose(fleet, q)
    p = fleet.replicas[r].pool if r >= 0 else -1 - r
    pool = fleet.pools[p]
    if not fit(pool, request):
        reject(fleet, run, q, _TOO_LONG, now)
        return -1
    request.pool = p
    if linked is not None:
        linked.handovers[q].entered = p
    if r < 0:
        hold(pool, fleet.requests, q)
        return -1
    if 0 < pool.queue_limit <= fleet.replicas[r].waiting and request.restarts == 0:
        reject(fleet, run, q, _QUEUE_FULL, now)
        return -1
    return r


@inlined
def join(fleet: FleetState, linked: Any, r: int, q: int, now: float) -> None:
    """Start request q on an idle replica, or let it wait at a busy one."""
    replica = fleet.replicas[r]
    pool = fleet.pools[replica.pool]
    fleet.requests[q].replica = r
    add_count(fleet, pool, r, 1)
    if replica.active == 0 and can_start(pool, replica, fleet.requests[q]):
        admit(fleet, linked, pool, r, q, 0, now)
        set_time(fleet, r, begin_epoch(fleet, pool, replica, 0, now))
        return
    insert_waiting(replica, fleet.requests, q)
    pool.waiting += 1
    if replica.queue_head == q and replica.active > 0:
        plan_admission(fleet, pool, replica, now)
        set_time(fleet, r, next_event(fleet, pool, replica))


@compiled
def rejoin(fleet: FleetState, linked: Any, r: int, q: int, now: float) -> None:
    """The same for requests that do not come from outside, in less code and more time."""
    replica = fleet.replicas[r]
    pool = fleet.pools[replica.pool]
    fleet.requests[q].replica = r
    add_count(fleet, pool, r, 1)
    insert_waiting(replica, fleet.requests, q)
    pool.waiting += 1
    if replica.queue_head == q:
        head_changed(fleet, linked, pool, r, now)


@compiled
def can_start(pool: Any, replica: Any, request: Any) -> bool:
    """Whether an idle replica takes a request at once; KV that it still sends may leave no room."""
    if pool.role != _PREFILL:
        return True
    return replica.queue_head < 0 and has_room(pool, replica, request, 0)


@compiled
def fit(pool: Any, request: Any) -> bool:
    """Cut a request's output to its pool's context window; whether it can ever be served."""
    if request.prompt >= pool.max_context:
        return False
    request.output = min(request.asked, pool.max_context - request.prompt)
    if pool.kv_blocks == 0:
        return True
    most = request.prompt if pool.role == _PREFILL else request.prompt + request.output
    return blocks(pool, most) <= pool.kv_blocks


@compiled
def reject(fleet: FleetState, run: Any, q: int, status: int, now: float) -> None:
    """Turn request q away."""
    fleet.requests[q].status = status
    run.open_measured -= fleet.requests[q].arrival_s < fleet.window.measure_end_s
    if fleet.requests[q].client == 1:
        client_sends(fleet.clients, run, fleet.think_s, now)
