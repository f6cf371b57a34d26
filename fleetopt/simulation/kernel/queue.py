"""Requests that arrive at a replica, and wait in order of arrival."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.kernel.batch import admit, begin_epoch, has_room, next_event
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.epochs import iterations_until
from fleetopt.simulation.kernel.trees import set_leaf
from fleetopt.simulation.records import Engine
from fleetopt.simulation.state import NEVER, State


@inlined
def arrive(engine: Engine, slots: int, state: State, r: int, q: int) -> int:
    """Bring request q to replica r; 1 if it has to wait."""
    replica = state.replicas[r]
    now = state.requests[q].arrival_s
    state.requests[q].replica = r
    if replica.active == 0:
        admit(engine, replica, state.requests, q, 0, now)
        set_time(state, r, begin_epoch(engine, state, replica, 0, now))
        return 0
    enqueue(engine, slots, replica, state.requests, q)
    if replica.admit_at < NEVER:
        set_time(state, r, next_event(engine, state, replica))
    return 1


@compiled
def enqueue(engine: Engine, slots: int, replica: Any, requests: Any, q: int) -> None:
    """Append an arrival to a busy replica's queue; plan its admission if there is room."""
    requests[q].next = -1
    replica.waiting += 1
    if replica.waiting > 1:
        requests[replica.queue_tail].next = q
        replica.queue_tail = q
        return
    replica.queue_head = q
    replica.queue_tail = q
    plan_admission(engine, slots, replica, requests, requests[q].arrival_s)


@compiled
def plan_admission(engine: Engine, slots: int, replica: Any, requests: Any, now: float) -> None:
    """Set the iteration before which the first waiting request joins a busy replica."""
    q = replica.queue_head
    replica.admit_at = NEVER
    if q >= 0 and has_room(engine, slots, replica, requests[q]):
        replica.admit_at = replica.epoch_iteration + iterations_until(replica, now)


@inlined
def admit_waiting(
    engine: Engine, slots: int, replica: Any, requests: Any, i: int, now: float
) -> int:
    """Admit waiting requests in order of arrival while there is room; how many."""
    admitted = 0
    q = replica.queue_head
    while q >= 0 and has_room(engine, slots, replica, requests[q]):
        replica.queue_head = requests[q].next
        replica.waiting -= 1
        admit(engine, replica, requests, q, i, now)
        admitted += 1
        q = replica.queue_head
    return admitted


@inlined
def set_time(state: State, r: int, time_s: float) -> None:
    """Set the time of a replica's next event."""
    set_leaf(state.times, 0, state.times.size // 2, r, time_s)


@inlined
def add_count(state: State, r: int, change: int) -> None:
    """Change the sequences that a replica seems to have."""
    leaves = state.counts.size // 2
    set_leaf(state.counts, 0, leaves, r, state.counts[leaves + r] + change)
