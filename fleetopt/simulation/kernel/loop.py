"""The event loop of a pool."""

from __future__ import annotations

import math

from fleetopt.simulation.kernel.batch import (
    begin_epoch,
    end_decodes,
    end_prefills,
    next_iteration,
)
from fleetopt.simulation.kernel.compiling import compiled, entry, inlined
from fleetopt.simulation.kernel.limits import change_replicas, change_slots
from fleetopt.simulation.kernel.queue import add_count, admit_waiting, arrive, set_time
from fleetopt.simulation.kernel.trees import least_leaf
from fleetopt.simulation.records import Engine, Floats, PoolLimits, Window
from fleetopt.simulation.state import State

_INF = math.inf


@compiled
def read(state: State, seen: int, waiting: int) -> None:
    """Write a checkpoint's backlog."""
    state.backlog[seen] = waiting
    for r in range(state.replicas.size):
        state.saturated[seen] += state.replicas[r].waiting > 0


@inlined
def book(state: State, r: int, k: int, measured: bool) -> None:
    """Account for k iterations of the epoch that ends; move the context on."""
    replica = state.replicas[r]
    if measured:
        state.totals[0] += k * replica.active
        state.totals[1] += k * replica.context + 0.5 * k * (k - 1) * replica.growth
    replica.context += k * replica.growth


@inlined
def iterate(
    engine: Engine, slots: int, state: State, r: int, now: float, measured: bool
) -> tuple[int, int]:
    """A replica's batch changes; how many sequences have left, and how many joined."""
    replica = state.replicas[r]
    i = next_iteration(engine, state, replica)
    book(state, r, i - replica.epoch_iteration, measured)
    end_prefills(engine, state, replica, i, now)
    left = end_decodes(engine, state, replica, i, now)
    admitted = admit_waiting(engine, slots, replica, state.requests, i, now)
    set_time(state, r, begin_epoch(engine, state, replica, i, now))
    if left > 0:
        add_count(state, r, -left)
    return left, admitted


@compiled
def arrivals_before(state: State, time_s: float) -> int:
    """Requests that arrive before a time."""
    count = 0
    while count < state.requests.size and state.requests[count].arrival_s < time_s:
        count += 1
    return count


@entry
def run_events(
    engine: Engine, window: Window, limits: PoolLimits, checkpoint_s: Floats, state: State
) -> None:
    """The event loop: iteration ends before arrivals, ties to the lowest replica."""
    size = state.requests.size
    leaves = state.counts.size // 2
    open_measured = arrivals_before(state, window.measure_end_s)
    arrived = 0
    waiting = 0
    seen = 0
    slots = engine.slots
    taking = state.replicas.size
    changes = 0
    while open_measured > 0:
        now = state.times[1]
        is_arrival = arrived < size and state.requests[arrived].arrival_s < now
        if is_arrival:
            now = state.requests[arrived].arrival_s
        if now > window.stop_s or now == _INF:
            break
        if changes < limits.at_s.size and limits.at_s[changes] <= now:
            slots = min(engine.slots, limits.slots[changes])
            change_slots(engine, slots, state, limits.at_s[changes])
            least = min(state.replicas.size, limits.replicas[changes])
            change_replicas(state, taking, least)
            taking = least
            changes += 1
            continue
        while seen < checkpoint_s.size and checkpoint_s[seen] <= now:
            read(state, seen, waiting)
            seen += 1
        state.totals[2] += 1
        if is_arrival:
            r = least_leaf(state.counts, 0, leaves)
            add_count(state, r, 1)
            waiting += arrive(engine, slots, state, r, arrived)
            arrived += 1
            continue
        measured = window.warmup_s <= now < window.measure_end_s
        r = least_leaf(state.times, 0, leaves)
        left, admitted = iterate(engine, slots, state, r, now, measured)
        waiting -= admitted
        if left > 0:
            while open_measured > 0 and not math.isnan(state.requests[open_measured - 1].end_s):
                open_measured -= 1
