"""Lines that carry KV from one pool to another: what stands in them, and what they add up."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.kv import blocks
from fleetopt.simulation.kernel import _compiled, _tree_set
from fleetopt.simulation.state import NEVER

_INF = math.inf


@_compiled
def best_link(pools: Any, counts: Any, links: Any, p: int) -> int:
    """Among the links of pool p, the one to the pool whose emptiest replica is the emptiest."""
    best = -1
    least = NEVER
    for k in range(links.size):
        if links[k].source != p:
            continue
        count = counts[pools[links[k].target].tree + 1]
        if best < 0 or count < least:
            best = k
            least = count
    return best


@_compiled
def hand_over(
    pools: Any,
    replicas: Any,
    requests: Any,
    counts: Any,
    links: Any,
    lines: Any,
    line_times: Any,
    handovers: Any,
    q: int,
    now: float,
) -> None:
    """Request q, prefilled, leaves its batch and joins a line; its slot and blocks stay taken."""
    r = requests[q].replica
    replica = replicas[r]
    pool = pools[replica.pool]
    pool.active -= 1
    pool.completed += 1
    replica.active -= 1
    replica.sending += 1
    replica.context -= requests[q].prompt
    if pool.kv_blocks > 0:
        held = blocks(pool, requests[q].prompt)
        replica.blocks -= held
        replica.sending_blocks += held
    link = links[best_link(pools, counts, links, replica.pool)]
    at = link.first + (r - pool.first if link.by_replica == 1 else 0)
    line = lines[at]
    if pool.current == 0:
        handovers[q].begun_s = requests[q].admitted_s
    handovers[q].handovers += 1
    handovers[q].next = -1
    line.waiting += 1
    if line.head < 0:
        line.head = line.tail = q
        begin_transfer(links, lines, line_times, requests, handovers, at, now)
    else:
        handovers[line.tail].next = q
        line.tail = q


@_compiled
def begin_transfer(
    links: Any, lines: Any, line_times: Any, requests: Any, handovers: Any, at: int, now: float
) -> None:
    """The first of a line begins, or has begun in its prefill; an empty line falls idle."""
    line = lines[at]
    end_s = _INF
    if line.head >= 0:
        link = links[line.link]
        sent_s = requests[line.head].prompt * link.per_token_s
        line.begun_s = now
        if link.layers > 1:
            line.begun_s = max(handovers[line.head].begun_s, line.free_s)
        line.free_s = line.begun_s + (link.latency_s + sent_s)
        end_s = max(now + (link.latency_s + sent_s / link.layers), line.free_s)
    _tree_set(line_times, at, end_s)


@_compiled
def book_line(line: Any, now: float, window: Any) -> None:
    """Account for the time of the transfer that a line is busy with."""
    if line.head < 0:
        return
    until_s = min(now, line.free_s)
    seconds = min(until_s, window.measure_end_s) - max(line.begun_s, window.warmup_s)
    if seconds > 0.0:
        line.busy_s += seconds


@_compiled
def take_landed(
    links: Any,
    lines: Any,
    line_times: Any,
    requests: Any,
    handovers: Any,
    at: int,
    now: float,
    window: Any,
) -> int:
    """The transfer of a line's first ends, and the next begins; who it was."""
    line = lines[at]
    book_line(line, now, window)
    q: int = line.head
    line.transfers += 1
    line.sent_tokens += requests[q].prompt
    line.waiting -= 1
    line.head = handovers[q].next
    if line.head < 0:
        line.tail = -1
    handovers[q].landed_s = now
    handovers[q].has_kv = 1
    begin_transfer(links, lines, line_times, requests, handovers, at, now)
    return q


@_compiled
def cut_off(
    links: Any,
    lines: Any,
    line_times: Any,
    requests: Any,
    handovers: Any,
    at: int,
    r: int,
    now: float,
    window: Any,
) -> int:
    """Take the requests of a failed replica out of a line; the first, the others linked to it."""
    line = lines[at]
    gone = gone_tail = before = -1
    q = line.head
    is_sending = q >= 0 and requests[q].replica == r
    if is_sending:
        book_line(line, now, window)
    while q >= 0:
        after = handovers[q].next
        if requests[q].replica != r:
            before = q
        else:
            line.waiting -= 1
            line.lost_tokens += requests[q].prompt
            if before < 0:
                line.head = after
            else:
                handovers[before].next = after
            handovers[q].next = -1
            if gone < 0:
                gone = q
            else:
                handovers[gone_tail].next = q
            gone_tail = q
        q = after
    line.tail = before
    if is_sending:
        line.free_s = min(line.free_s, now)
        begin_transfer(links, lines, line_times, requests, handovers, at, now)
    return gone
