"""The running batch of a replica: who joins it, what an iteration does, who leaves."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.handover import hand_over
from fleetopt.simulation.fleet_kernel.kv import (
    blocks,
    blocks_to_admit,
    exhaustion,
    hit_tokens,
    keep_prefix,
)
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.kernel import _compiled, _end_of, _heap_pop, _heap_push, _inlined
from fleetopt.simulation.state import NEVER

_INF = math.inf
_REQUEST_BITS = 31
_REQUEST_MASK = 2**_REQUEST_BITS - 1
_COMPLETED = int(Status.COMPLETED)
_TRUNCATED = int(Status.TRUNCATED)
_PREFILL = int(Role.PREFILL)


@_inlined
def admit(
    pool: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    nodes: Any,
    handovers: Any,
    r: int,
    q: int,
    i: int,
    now: float,
) -> None:
    """Put request q into the batch of a replica whose next iteration is number i.

    It decodes at once if its KV has come with it.
    """
    replica = replicas[r]
    request = requests[q]
    if math.isnan(request.admitted_s):
        request.admitted_s = now
    if pool.kv_blocks > 0:
        replica.blocks += blocks_to_admit(pool, request)
    replica.active += 1
    pool.active += 1
    if handovers is not None and handovers[q].has_kv == 1:
        total = request.prompt + request.output
        replica.context += request.prompt + request.kept if pool.current == 1 else total
        begin_decode(pool, replica, requests, heap, phases, q, i)
        return
    request.begun = hit_tokens(pool, replicas.size, nodes, r, request)
    request.hit += request.begun
    left = request.prompt + request.kept - request.begun
    if pool.current == 1:
        request.prefill = left
        replica.context += request.begun
    else:
        request.prefill = i + (left + pool.chunk_tokens - 1) // pool.chunk_tokens
        replica.context += held_at_last(pool, request)
    join_prefills(pool, replica, requests, q)


@_inlined
def begin_decode(
    pool: Any, replica: Any, requests: Any, heap: Any, phases: Any, q: int, i: int
) -> None:
    """Request q, whose KV is there, makes a token in each iteration from number i on."""
    request = requests[q]
    entry = ((i + request.output - request.kept) << _REQUEST_BITS) | q
    _heap_push(heap, replica.heap, replica.decoding, entry)
    replica.decoding += 1
    if pool.growth == 1:
        phase = (i - request.prompt - request.kept) % pool.block_tokens
        phases[replica.phase + phase] += 1


@_compiled
def held_at_last(pool: Any, request: Any) -> int:
    """Tokens that a request holds when its pool is done with it."""
    if pool.role == _PREFILL:
        prompt: int = request.prompt
        return prompt
    total: int = request.prompt + request.output
    return total


@_compiled
def join_prefills(pool: Any, replica: Any, requests: Any, q: int) -> None:
    """Add q to the prefilling sequences: in order of arrival, or of the iteration of their end."""
    before = -1
    after = replica.prefill_head
    while after >= 0 and (pool.current == 1 or requests[after].prefill <= requests[q].prefill):
        before = after
        after = requests[after].next
    requests[q].next = after
    if before < 0:
        replica.prefill_head = q
    else:
        requests[before].next = q


@_compiled
def plan_prefill(pool: Any, replica: Any, requests: Any) -> int:
    """Share the iteration's prompt tokens out, first come first served; their sum."""
    left = NEVER
    if pool.token_budget > 0:
        left = pool.token_budget - replica.decoding
    planned = 0
    q = replica.prefill_head
    while q >= 0:
        share = max(0, min(requests[q].prefill, pool.chunk_tokens, left))
        requests[q].share = share
        left -= share
        planned += share
        q = requests[q].next
    return planned


@_inlined
def begin_epoch(
    pool: Any, replica: Any, requests: Any, heap: Any, phases: Any, i: int, now: float
) -> float:
    """Start an epoch at iteration i; the time of its next event."""
    replica.epoch_s = now
    replica.epoch_iteration = i
    replica.admit_at = NEVER
    replica.evict_at = NEVER
    if replica.active == 0:
        return _INF
    planned = 0
    if pool.current == 1:
        if replica.prefill_head >= 0:
            planned = plan_prefill(pool, replica, requests)
        replica.growth = replica.decoding + planned
    replica.first_s = pool.base_s + pool.per_context_token_s * replica.context
    replica.growth_s = pool.per_context_token_s * replica.growth
    replica.floor_s = pool.prefill_base_s + pool.prefill_per_token_s * planned
    if pool.growth == 1 and replica.decoding > 0:
        until = next_iteration(pool, replica, requests, heap)
        replica.evict_at = exhaustion(pool, replica, phases, until)
    return next_event(pool, replica, requests, heap)


@_inlined
def next_event(pool: Any, replica: Any, requests: Any, heap: Any) -> float:
    """Time of the next iteration end at which the replica changes."""
    at = next_iteration(pool, replica, requests, heap)
    return _end_of(replica, at - replica.epoch_iteration)


@_inlined
def next_iteration(pool: Any, replica: Any, requests: Any, heap: Any) -> int:
    """Number of the next iteration before which the replica changes."""
    at: int = min(replica.admit_at, replica.evict_at)
    if replica.decoding > 0:
        at = min(at, heap[replica.heap] >> _REQUEST_BITS)
    q = replica.prefill_head
    if q >= 0 and pool.current == 1:
        at = min(at, replica.epoch_iteration + 1)
    elif q >= 0:
        at = min(at, requests[q].prefill)
    return at


@_inlined
def end_prefills(
    pool: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    counts: Any,
    nodes: Any,
    pools: Any,
    links: Any,
    lines: Any,
    line_times: Any,
    handovers: Any,
    r: int,
    i: int,
    now: float,
) -> None:
    """Sequences whose prefill ends with iteration i - 1 begin to decode, or go over a link."""
    replica = replicas[r]
    before = -1
    q = replica.prefill_head
    while q >= 0:
        request = requests[q]
        after = request.next
        if pool.current == 1:
            if handovers is not None and request.share > 0 and math.isnan(handovers[q].begun_s):
                handovers[q].begun_s = replica.epoch_s
            request.prefill -= request.share
        elif request.prefill > i:
            break
        if pool.current == 1 and request.prefill > 0:
            before = q
        else:
            if math.isnan(request.prefill_end_s):
                request.prefill_end_s = now
            if handovers is None or pool.role != _PREFILL:
                begin_decode(pool, replica, requests, heap, phases, q, i)
            if handovers is not None and pool.role == _PREFILL:
                hand_over(
                    pools,
                    replicas,
                    requests,
                    counts,
                    links,
                    lines,
                    line_times,
                    handovers,
                    q,
                    now,
                )
            if pool.cache_tokens > 0 and request.prefix >= 0:
                node = request.prefix * replicas.size + r
                keep_prefix(pool, replica, nodes, node, request.prompt)
            if before < 0:
                replica.prefill_head = after
            else:
                requests[before].next = after
        q = after


@_inlined
def end_decodes(
    pool: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    nodes: Any,
    run: Any,
    r: int,
    i: int,
    now: float,
    measure_end_s: float,
) -> int:
    """Sequences whose last token comes with iteration i - 1 leave; how many."""
    replica = replicas[r]
    left = 0
    while replica.decoding > 0 and heap[replica.heap] >> _REQUEST_BITS == i:
        request = requests[heap[replica.heap] & _REQUEST_MASK]
        _heap_pop(heap, replica.heap, replica.decoding)
        total = request.prompt + request.output
        request.end_s = now
        request.status = _TRUNCATED if request.output < request.asked else _COMPLETED
        replica.decoding -= 1
        replica.active -= 1
        replica.context -= total
        if pool.kv_blocks > 0:
            replica.blocks -= blocks(pool, total)
        if pool.growth == 1:
            phases[replica.phase + (i - total) % pool.block_tokens] -= 1
        if pool.cache_tokens > 0 and request.prefix >= 0:
            node = request.prefix * replicas.size + r
            keep_prefix(pool, replica, nodes, node, total)
        run.open_measured -= request.arrival_s < measure_end_s
        run.served += request.client
        left += 1
    pool.active -= left
    pool.completed += left
    return left
