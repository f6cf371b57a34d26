"""KV that arrives: its source has room again, and its request joins a replica that decodes."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_kernel.counts import add_count, emptiest_of
from fleetopt.simulation.fleet_kernel.dispatch import fit, reject, rejoin
from fleetopt.simulation.fleet_kernel.handover import cut_off, take_landed
from fleetopt.simulation.fleet_kernel.kv import blocks
from fleetopt.simulation.fleet_kernel.queue import head_changed, hold, insert_waiting
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.trees import least_leaf

_TOO_LONG = int(Status.TOO_LONG)


@inlined
def land(fleet: FleetState, linked: Any, run: Any, now: float) -> None:
    """The transfer that ends now: its request goes on to decode, or is turned away."""
    at = least_leaf(linked.line_times, 0, linked.line_times.size // 2)
    q = take_landed(fleet, linked, at, now)
    leave(fleet, linked, q, now)
    p = linked.links[linked.lines[at].link].target
    pool = fleet.pools[p]
    if not fit(pool, fleet.requests[q]):
        reject(fleet, run, q, _TOO_LONG, now)
        return
    fleet.requests[q].pool = p
    if pool.up == 0:
        hold(pool, fleet.requests, q)
        return
    rejoin(fleet, linked, emptiest_of(fleet, pool), q, now)


@inlined
def leave(fleet: FleetState, linked: Any, q: int, now: float) -> None:
    """Free the slot and the blocks that the KV of request q held where it was prefilled."""
    r = int(fleet.requests[q].replica)
    replica = fleet.replicas[r]
    pool = fleet.pools[replica.pool]
    replica.sending -= 1
    if pool.kv_blocks > 0:
        replica.sending_blocks -= blocks(pool, fleet.requests[q].prompt)
    add_count(fleet, pool, r, -1)
    if replica.queue_head >= 0:
        head_changed(fleet, linked, pool, r, now)


@compiled
def drop_transfers(fleet: FleetState, linked: Any, r: int, now: float) -> None:
    """Put the requests whose KV a failed replica was to send into its queue."""
    replica = fleet.replicas[r]
    for at in range(linked.lines.size):
        if linked.links[linked.lines[at].link].source != replica.pool:
            continue
        q = cut_off(fleet, linked, at, r, now)
        while q >= 0:
            replica.lost_tokens += fleet.requests[q].prompt
            insert_waiting(replica, fleet.requests, q)
            q = linked.handovers[q].next
    replica.sending = replica.sending_blocks = replica.waiting = 0
