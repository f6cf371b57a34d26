"""Queues in order of arrival, of replicas and of pools that are down."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_kernel import lists
from fleetopt.simulation.fleet_kernel.batch import admit, begin_epoch, next_event
from fleetopt.simulation.fleet_kernel.kv import blocks_gained, has_room
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.epochs import iterations_until
from fleetopt.simulation.kernel.trees import set_leaf
from fleetopt.simulation.state import NEVER


@inlined
def insert_waiting(replica: Any, requests: Any, q: int) -> None:
    """Put request q into a replica's queue."""
    replica.waiting += 1
    head, tail = lists.insert(requests, replica.queue_head, replica.queue_tail, q)
    replica.queue_head = head
    replica.queue_tail = tail


@compiled
def remove_waiting(replica: Any, requests: Any, q: int) -> None:
    """Take request q out of a replica's queue."""
    replica.waiting -= 1
    head, tail = lists.remove(requests, replica.queue_head, replica.queue_tail, q)
    replica.queue_head = head
    replica.queue_tail = tail


@compiled
def hold(pool: Any, requests: Any, q: int) -> None:
    """Let request q wait for a replica of its pool to come up."""
    requests[q].replica = -1
    pool.waiting += 1
    head, tail = lists.insert(requests, pool.held_head, pool.held_tail, q)
    pool.held_head = head
    pool.held_tail = tail


@compiled
def remove_held(pool: Any, requests: Any, q: int) -> None:
    """Take request q out of those that wait for a replica to come up."""
    pool.waiting -= 1
    head, tail = lists.remove(requests, pool.held_head, pool.held_tail, q)
    pool.held_head = head
    pool.held_tail = tail


@inlined
def plan_admission(fleet: FleetState, pool: Any, replica: Any, now: float) -> None:
    """Set the iteration before which the first waiting request joins a busy replica."""
    replica.admit_at = NEVER
    q = replica.queue_head
    if q < 0 or not has_room(pool, replica, fleet.requests[q], 0):
        return
    k = iterations_until(replica, now)
    gained = blocks_gained(pool, replica, fleet.phases, k + 1)
    if has_room(pool, replica, fleet.requests[q], gained):
        replica.admit_at = replica.epoch_iteration + k


@inlined
def admit_waiting(fleet: FleetState, linked: Any, pool: Any, r: int, i: int, now: float) -> None:
    """Admit waiting requests in order of arrival while there is room."""
    replica = fleet.replicas[r]
    q = replica.queue_head
    while q >= 0 and has_room(pool, replica, fleet.requests[q], 0):
        replica.queue_head = fleet.requests[q].next
        replica.waiting -= 1
        pool.waiting -= 1
        admit(fleet, linked, pool, r, q, i, now)
        q = replica.queue_head


@compiled
def head_changed(fleet: FleetState, linked: Any, pool: Any, r: int, now: float) -> None:
    """Another request waits first, or there is more room for it."""
    replica = fleet.replicas[r]
    if replica.active == 0:
        admit_waiting(fleet, linked, pool, r, 0, now)
        set_time(fleet, r, begin_epoch(fleet, pool, replica, 0, now))
        return
    plan_admission(fleet, pool, replica, now)
    set_time(fleet, r, next_event(fleet, pool, replica))


@inlined
def set_time(fleet: FleetState, r: int, time_s: float) -> None:
    """Set the time of a replica's next event."""
    set_leaf(fleet.times, 0, fleet.times.size // 2, r, time_s)
