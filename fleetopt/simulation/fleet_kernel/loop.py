"""The event loop of the fleet."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.accounts import book, close
from fleetopt.simulation.fleet_kernel.batch import begin_epoch, next_iteration
from fleetopt.simulation.fleet_kernel.checkpoints import pass_checkpoints
from fleetopt.simulation.fleet_kernel.clients import client_sends, next_arrival, take_next
from fleetopt.simulation.fleet_kernel.counts import add_count
from fleetopt.simulation.fleet_kernel.deadlines import next_deadline, time_out
from fleetopt.simulation.fleet_kernel.dispatch import bring
from fleetopt.simulation.fleet_kernel.ends import end_decodes, end_prefills
from fleetopt.simulation.fleet_kernel.faults import fail, repair
from fleetopt.simulation.fleet_kernel.landing import land
from fleetopt.simulation.fleet_kernel.preemption import preempt_youngest
from fleetopt.simulation.fleet_kernel.queue import admit_waiting, set_time
from fleetopt.simulation.fleet_records import Stop
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled, entry, inlined
from fleetopt.simulation.kernel.trees import least_leaf

_INF = math.inf
_ENDED = int(Stop.ENDED)
_TIME = int(Stop.TIME)
_EVENTS = int(Stop.EVENTS)
_ITERATION = 0
_LANDING = 1
_FAULT = 2
_TIMEOUT = 3
_ARRIVAL = 4


@entry
def run_events(fleet: FleetState, linked: Any) -> None:
    """The event loop; `linked` is None for a fleet without links."""
    run = fleet.run[0]
    run.clients = fleet.clients.size
    while True:
        arrival_s = next_arrival(fleet, run)
        now, event = next_event(fleet, linked, run, arrival_s)
        is_over = run.open_measured == 0 and arrival_s >= fleet.window.measure_end_s
        if is_over and now > run.now:  # what else happens at the last instant is played too
            break
        if now > fleet.window.stop_s or now == _INF:
            run.stop = _TIME
            run.now = fleet.window.stop_s
            break
        run.now = now
        if run.seen < fleet.checkpoint_s.size and fleet.checkpoint_s[run.seen] <= now:
            pass_checkpoints(fleet, run)
        if run.stop != _ENDED:
            break
        run.events += 1
        if run.events > fleet.most_events:
            run.stop = _EVENTS
            break
        if event == _ITERATION:
            iterate(fleet, linked, run, now)
        elif event == _ARRIVAL:
            arrive(fleet, linked, run, now)
        else:
            happen(fleet, linked, run, event, now)
    close(fleet, linked, run.now)


@inlined
def next_event(fleet: FleetState, linked: Any, run: Any, arrival_s: float) -> tuple[float, int]:
    """When the next event comes, and which; of those at the same time the first that is asked."""
    now = fleet.times[1]
    event = _ITERATION
    if linked is not None and linked.line_times[1] < now:
        now = linked.line_times[1]
        event = _LANDING
    if run.fault < fleet.faults.size and fleet.faults[run.fault].time_s < now:
        now = fleet.faults[run.fault].time_s
        event = _FAULT
    deadline_s = next_deadline(fleet.requests, run, fleet.timeout_s)
    if deadline_s < now:
        now = deadline_s
        event = _TIMEOUT
    if arrival_s < now:
        now = arrival_s
        event = _ARRIVAL
    return now, event


@inlined
def iterate(fleet: FleetState, linked: Any, run: Any, now: float) -> None:
    """A replica's batch changes: sequences leave, are preempted and join."""
    r = least_leaf(fleet.times, 0, fleet.times.size // 2)
    replica = fleet.replicas[r]
    pool = fleet.pools[replica.pool]
    i = next_iteration(fleet, pool, replica)
    book(fleet, pool, replica, i - replica.epoch_iteration, now)
    left = end_decodes(fleet, pool, run, r, i, now)
    if pool.growth == 1:
        replica.blocks += fleet.phases[replica.phase + i % pool.block_tokens]
    end_prefills(fleet, linked, pool, r, i, now)
    while pool.growth == 1 and replica.blocks > pool.kv_blocks:
        preempt_youngest(fleet, linked, pool, replica, i)
    admit_waiting(fleet, linked, pool, r, i, now)
    set_time(fleet, r, begin_epoch(fleet, pool, replica, i, now))
    if left > 0:
        add_count(fleet, pool, r, -left)
        while run.served > 0:
            run.served -= 1
            client_sends(fleet.clients, run, fleet.think_s, now)


@inlined
def arrive(fleet: FleetState, linked: Any, run: Any, now: float) -> None:
    """The next request comes to the fleet."""
    q = run.arrived
    run.arrived += 1
    if fleet.clients.size > 0:
        fleet.requests[q].arrival_s = now
        fleet.requests[q].client = take_next(fleet.clients, fleet.open_s, run, now)
    run.open_measured += now < fleet.window.measure_end_s
    bring(fleet, linked, run, q, now)


@compiled
def happen(fleet: FleetState, linked: Any, run: Any, event: int, now: float) -> None:
    """One of the rarer events."""
    if event == _TIMEOUT:
        time_out(fleet, linked, run, now)
    elif event == _LANDING:
        if linked is not None:
            land(fleet, linked, run, now)
    else:
        fault = fleet.faults[run.fault]
        run.fault += 1
        if fault.down == 1:
            fail(fleet, linked, run, fault)
        else:
            repair(fleet, linked, fault)
