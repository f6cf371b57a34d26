"""Replicas that go down, with their requests, and come up again."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.accounts import book, down_time
from fleetopt.simulation.fleet_kernel.counts import emptiest_of, set_count
from fleetopt.simulation.fleet_kernel.dispatch import place, rejoin
from fleetopt.simulation.fleet_kernel.kv import drop_oldest
from fleetopt.simulation.fleet_kernel.landing import drop_transfers
from fleetopt.simulation.fleet_kernel.preemption import held_tokens
from fleetopt.simulation.fleet_kernel.queue import insert_waiting, remove_held, set_time
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.decodes import end_of_entry, request_of_entry
from fleetopt.simulation.kernel.epochs import end_of, iterations_until
from fleetopt.simulation.state import NEVER

_INF = math.inf


@inlined
def fail(fleet: FleetState, linked: Any, run: Any, fault: Any) -> None:
    """Replicas go down together; then, one after the other, their requests start anew."""
    now = fault.time_s
    for r in range(fault.first, fault.last):
        if fleet.replicas[r].is_down == 0:
            shut(fleet, r, now)
            if linked is not None:
                drop_transfers(fleet, linked, r, now)
        fleet.replicas[r].is_down += 1
    for r in range(fault.first, fault.last):
        send_again(fleet, linked, run, r, now)


@compiled
def shut(fleet: FleetState, r: int, now: float) -> None:
    """Empty a replica that fails, and keep requests away from it."""
    replica = fleet.replicas[r]
    pool = fleet.pools[replica.pool]
    replica.down_since_s = now
    pool.up -= 1
    set_count(fleet, pool, r, int(NEVER))
    set_time(fleet, r, _INF)
    i = last_iteration(replica, now)
    book(fleet, pool, replica, i - replica.epoch_iteration, now)
    pool.waiting -= replica.waiting
    pool.active -= replica.active
    lose_batch(fleet, pool, replica, i)
    forget(fleet, pool, replica)


@compiled
def last_iteration(replica: Any, now: float) -> int:
    """Number of the iteration that a failure interrupts."""
    k = 0
    if replica.active > 0:
        k = iterations_until(replica, now)
        if end_of(replica, k) > now:
            k -= 1
    i: int = replica.epoch_iteration + k
    return i


@compiled
def lose_batch(fleet: FleetState, pool: Any, replica: Any, i: int) -> None:
    """Link the running sequences into the queue; count the tokens that they lose."""
    q = replica.prefill_head
    while q >= 0:
        after = fleet.requests[q].next
        replica.lost_tokens += held_tokens(pool, fleet.requests[q], i)
        insert_waiting(replica, fleet.requests, q)
        q = after
    for j in range(replica.decoding):
        entry = fleet.heap[replica.heap + j]
        q = request_of_entry(entry)
        request = fleet.requests[q]
        replica.lost_tokens += request.prompt + request.output - (end_of_entry(entry) - i)
        insert_waiting(replica, fleet.requests, q)


@compiled
def forget(fleet: FleetState, pool: Any, replica: Any) -> None:
    """Empty a replica's memory; its requests stay linked in its queue."""
    for j in range(pool.block_tokens if pool.growth == 1 else 0):
        fleet.phases[replica.phase + j] = 0
    while replica.oldest >= 0:
        drop_oldest(replica, fleet.nodes)
    replica.prefill_head = -1
    replica.active = replica.decoding = replica.waiting = 0
    replica.context = replica.growth = replica.blocks = 0
    replica.admit_at = replica.evict_at = NEVER


@inlined
def send_again(fleet: FleetState, linked: Any, run: Any, r: int, now: float) -> None:
    """Send the requests of a failed replica to others."""
    replica = fleet.replicas[r]
    q = replica.queue_head
    replica.queue_head = replica.queue_tail = -1
    while q >= 0:
        request = fleet.requests[q]
        after = request.next
        if not math.isnan(request.admitted_s):
            replica.restarts += 1
            start_over(request)
            if linked is not None:
                lose_kv(request, linked.handovers[q])
        target = place(fleet, linked, run, q, now)
        if target >= 0:
            rejoin(fleet, linked, target, q, now)
        q = after


@compiled
def start_over(request: Any) -> None:
    """Forget what was done of a request."""
    request.restarts += 1
    request.admitted_s = request.prefill_end_s = math.nan
    request.kept = 0


@compiled
def lose_kv(request: Any, handover: Any) -> None:
    """Forget the KV of a request, which goes to the pool again that it entered first."""
    request.pool = handover.entered
    handover.landed_s = handover.begun_s = math.nan
    handover.has_kv = 0


@inlined
def repair(fleet: FleetState, linked: Any, fault: Any) -> None:
    """Replicas come up empty; requests that waited for one of their pool join them."""
    now = fault.time_s
    for r in range(fault.first, fault.last):
        replica = fleet.replicas[r]
        replica.is_down -= 1
        if replica.is_down == 0:
            down_time(replica, now, fleet.window)
            pool = fleet.pools[replica.pool]
            pool.up += 1
            set_count(fleet, pool, r, 0)
    for p in range(fleet.pools.size):
        pool = fleet.pools[p]
        while pool.up > 0 and pool.held_head >= 0:
            q = pool.held_head
            remove_held(pool, fleet.requests, q)
            rejoin(fleet, linked, emptiest_of(fleet, pool), q, now)
