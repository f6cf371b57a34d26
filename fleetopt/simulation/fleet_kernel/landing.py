"""KV that arrives: its source has room again, and its request joins a replica that decodes."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_kernel.dispatch import count, emptiest_of, fit, join
from fleetopt.simulation.fleet_kernel.handover import cut_off, take_landed
from fleetopt.simulation.fleet_kernel.kv import blocks
from fleetopt.simulation.fleet_kernel.queue import head_changed, hold, insert_waiting
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.kernel import _compiled

_UNFINISHED = int(Status.UNFINISHED)
_TOO_LONG = int(Status.TOO_LONG)


@_compiled
def land(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    links: Any,
    lines: Any,
    line_times: Any,
    handovers: Any,
    run: Any,
    at: int,
    now: float,
    window: Any,
) -> int:
    """The transfer of a line's first ends; a status other than 0 turns the request away."""
    q = take_landed(links, lines, line_times, requests, handovers, at, now, window)
    run.landed = q
    leave(pools, replicas, requests, heap, phases, times, counts, nodes, handovers, q, now)
    p = links[lines[at].link].target
    pool = pools[p]
    if not fit(pool, requests[q]):
        return _TOO_LONG
    requests[q].pool = p
    if pool.up == 0:
        hold(pool, requests, q)
        return _UNFINISHED
    r = emptiest_of(pool, counts)
    join(pools, replicas, requests, heap, phases, times, counts, nodes, handovers, r, q, now)
    return _UNFINISHED


@_compiled
def leave(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    handovers: Any,
    q: int,
    now: float,
) -> None:
    """Free the slot and the blocks that the KV of request q held where it was prefilled."""
    r = requests[q].replica
    replica = replicas[r]
    pool = pools[replica.pool]
    replica.sending -= 1
    if pool.kv_blocks > 0:
        replica.sending_blocks -= blocks(pool, requests[q].prompt)
    count(counts, pool, r, -1)
    if replica.queue_head >= 0:
        head_changed(pool, replicas, requests, heap, phases, times, nodes, handovers, r, now)


@_compiled
def drop_transfers(
    pools: Any,
    replicas: Any,
    requests: Any,
    links: Any,
    lines: Any,
    line_times: Any,
    handovers: Any,
    r: int,
    now: float,
    window: Any,
) -> None:
    """Put the requests whose KV a failed replica was to send into its queue."""
    replica = replicas[r]
    for at in range(lines.size):
        if links[lines[at].link].source != replica.pool:
            continue
        q = cut_off(links, lines, line_times, requests, handovers, at, r, now, window)
        while q >= 0:
            replica.lost_tokens += requests[q].prompt
            insert_waiting(replica, requests, q)
            q = handovers[q].next
    replica.sending = replica.sending_blocks = replica.waiting = 0
