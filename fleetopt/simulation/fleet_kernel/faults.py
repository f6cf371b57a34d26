"""Replicas that go down, with their requests, and come up again."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.accounts import book, down_time
from fleetopt.simulation.fleet_kernel.dispatch import emptiest_of, join, reject, send, set_count
from fleetopt.simulation.fleet_kernel.kv import drop_oldest
from fleetopt.simulation.fleet_kernel.landing import drop_transfers
from fleetopt.simulation.fleet_kernel.queue import (
    held_tokens,
    insert_waiting,
    remove_held,
)
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.kernel import _compiled, _end_of, _iterations_until, _tree_set
from fleetopt.simulation.state import NEVER

_INF = math.inf
_REQUEST_BITS = 31
_REQUEST_MASK = 2**_REQUEST_BITS - 1
_UNFINISHED = int(Status.UNFINISHED)


@_compiled
def take_down(
    pool: Any,
    replica: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    nodes: Any,
    histogram: Any,
    tokens: Any,
    now: float,
    window: Any,
) -> None:
    """Empty a replica that fails; its requests stay linked in its queue, in order of arrival."""
    k = 0
    if replica.active > 0:
        k = _iterations_until(replica, now)
        if _end_of(replica, k) > now:
            k -= 1
    i = replica.epoch_iteration + k
    book(pool, replica, phases, histogram, tokens, k, now, window)
    pool.waiting -= replica.waiting
    pool.active -= replica.active
    q = replica.prefill_head
    while q >= 0:
        after = requests[q].next
        replica.lost_tokens += held_tokens(pool, requests[q], i)
        insert_waiting(replica, requests, q)
        q = after
    for j in range(replica.decoding):
        entry = heap[replica.heap + j]
        q = entry & _REQUEST_MASK
        held = requests[q].prompt + requests[q].output - ((entry >> _REQUEST_BITS) - i)
        replica.lost_tokens += held
        insert_waiting(replica, requests, q)
    for j in range(pool.block_tokens if pool.growth == 1 else 0):
        phases[replica.phase + j] = 0
    while replica.oldest >= 0:
        drop_oldest(replica, nodes)
    replica.prefill_head = -1
    replica.active = replica.decoding = replica.waiting = 0
    replica.context = replica.growth = replica.blocks = 0
    replica.admit_at = replica.evict_at = NEVER


@_compiled
def fail(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    choices: Any,
    clients: Any,
    think_s: Any,
    histogram: Any,
    tokens: Any,
    links: Any,
    lines: Any,
    line_times: Any,
    handovers: Any,
    run: Any,
    fault: Any,
    window: Any,
    rule: int,
    threshold: float,
) -> None:
    """Replicas go down together; then, one after the other, their requests start anew."""
    now = fault.time_s
    for r in range(fault.first, fault.last):
        pool = pools[replicas[r].pool]
        if replicas[r].is_down == 0:
            replicas[r].down_since_s = now
            pool.up -= 1
            set_count(counts, pool, r, int(NEVER))
            _tree_set(times, r, _INF)
            take_down(
                pool, replicas[r], requests, heap, phases, nodes, histogram, tokens, now, window
            )
            if handovers is not None:
                drop_transfers(
                    pools, replicas, requests, links, lines, line_times, handovers, r, now, window
                )
        replicas[r].is_down += 1
    for r in range(fault.first, fault.last):
        q = replicas[r].queue_head
        replicas[r].queue_head = replicas[r].queue_tail = -1
        while q >= 0:
            request = requests[q]
            after = request.next
            if not math.isnan(request.admitted_s):
                request.restarts += 1
                replicas[r].restarts += 1
                request.admitted_s = request.prefill_end_s = math.nan
                request.kept = 0
                if handovers is not None:
                    start_over(request, handovers[q])
            status = send(
                pools,
                replicas,
                requests,
                heap,
                phases,
                times,
                counts,
                nodes,
                choices,
                handovers,
                q,
                now,
                rule,
                threshold,
            )
            if status != _UNFINISHED:
                end_s = window.measure_end_s
                reject(requests, run, clients, think_s, q, status, now, end_s)
            q = after


@_compiled
def start_over(request: Any, handover: Any) -> None:
    """Forget the KV of a request, which goes to the pool again that it entered first."""
    request.pool = handover.entered
    handover.landed_s = handover.begun_s = math.nan
    handover.has_kv = 0


@_compiled
def repair(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    handovers: Any,
    fault: Any,
    window: Any,
) -> None:
    """Replicas come up empty; requests that waited for one of their pool join them."""
    now = fault.time_s
    for r in range(fault.first, fault.last):
        pool = pools[replicas[r].pool]
        replicas[r].is_down -= 1
        if replicas[r].is_down == 0:
            down_time(replicas[r], now, window)
            pool.up += 1
            set_count(counts, pool, r, 0)
    for p in range(pools.size):
        pool = pools[p]
        while pool.up > 0 and pool.held_head >= 0:
            q = pool.held_head
            remove_held(pool, requests, q)
            r = emptiest_of(pool, counts)
            join(
                pools, replicas, requests, heap, phases, times, counts, nodes, handovers, r, q, now
            )
