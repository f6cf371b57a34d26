"""Lines that carry KV from one pool to another: what stands in them, and what they add up."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.accounts import book_line
from fleetopt.simulation.fleet_kernel.counts import least_count
from fleetopt.simulation.fleet_kernel.kv import blocks
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.trees import set_leaf
from fleetopt.simulation.state import NEVER

_INF = math.inf


@inlined
def best_link(fleet: FleetState, linked: Any, p: int) -> int:
    """Among the links of pool p, the one to the pool whose emptiest replica is the emptiest."""
    best = -1
    least: Any = NEVER
    for k in range(linked.links.size):
        if linked.links[k].source != p:
            continue
        count = least_count(fleet, fleet.pools[linked.links[k].target])
        if best < 0 or count < least:
            best = k
            least = count
    return best


@compiled
def hand_over(fleet: FleetState, linked: Any, q: int, now: float) -> None:
    """Request q, prefilled, leaves its batch and joins a line; its slot and blocks stay taken."""
    r = fleet.requests[q].replica
    replica = fleet.replicas[r]
    pool = fleet.pools[replica.pool]
    pool.active -= 1
    pool.completed += 1
    replica.active -= 1
    replica.sending += 1
    replica.context -= fleet.requests[q].prompt
    if pool.kv_blocks > 0:
        held = blocks(pool, fleet.requests[q].prompt)
        replica.blocks -= held
        replica.sending_blocks += held
    link = linked.links[best_link(fleet, linked, replica.pool)]
    at = link.first + (r - pool.first if link.by_replica == 1 else 0)
    line = linked.lines[at]
    if pool.current == 0:
        linked.handovers[q].begun_s = fleet.requests[q].admitted_s
    linked.handovers[q].handovers += 1
    linked.handovers[q].next = -1
    line.waiting += 1
    if line.head < 0:
        line.head = line.tail = q
        begin_transfer(linked, fleet.requests, at, now)
    else:
        linked.handovers[line.tail].next = q
        line.tail = q


@compiled
def begin_transfer(linked: Any, requests: Any, at: int, now: float) -> None:
    """The first of a line begins, or has begun in its prefill; an empty line falls idle."""
    line = linked.lines[at]
    end_s = _INF
    if line.head >= 0:
        link = linked.links[line.link]
        sent_s = requests[line.head].prompt * link.per_token_s
        line.begun_s = now
        if link.layers > 1:
            line.begun_s = max(linked.handovers[line.head].begun_s, line.free_s)
        line.free_s = line.begun_s + (link.latency_s + sent_s)
        end_s = max(now + (link.latency_s + sent_s / link.layers), line.free_s)
    set_leaf(linked.line_times, 0, linked.line_times.size // 2, at, end_s)


@inlined
def take_landed(fleet: FleetState, linked: Any, at: int, now: float) -> int:
    """The transfer of a line's first ends, and the next begins; who it was."""
    line = linked.lines[at]
    book_line(line, now, fleet.window)
    q: int = line.head
    line.transfers += 1
    line.sent_tokens += fleet.requests[q].prompt
    line.waiting -= 1
    line.head = linked.handovers[q].next
    if line.head < 0:
        line.tail = -1
    linked.handovers[q].landed_s = now
    linked.handovers[q].has_kv = 1
    begin_transfer(linked, fleet.requests, at, now)
    return q


@compiled
def cut_off(fleet: FleetState, linked: Any, at: int, r: int, now: float) -> int:
    """Take the requests of a failed replica out of a line; the first, the others linked to it."""
    line = linked.lines[at]
    gone = gone_tail = before = -1
    q = line.head
    is_sending = q >= 0 and fleet.requests[q].replica == r
    if is_sending:
        book_line(line, now, fleet.window)
    while q >= 0:
        after = linked.handovers[q].next
        if fleet.requests[q].replica != r:
            before = q
        else:
            line.waiting -= 1
            line.lost_tokens += fleet.requests[q].prompt
            if before < 0:
                line.head = after
            else:
                linked.handovers[before].next = after
            linked.handovers[q].next = -1
            if gone < 0:
                gone = q
            else:
                linked.handovers[gone_tail].next = q
            gone_tail = q
        q = after
    line.tail = before
    if is_sending:
        line.free_s = min(line.free_s, now)
        begin_transfer(linked, fleet.requests, at, now)
    return gone
