"""Queues in order of arrival, and how sequences come back to them."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_kernel.batch import admit, begin_epoch, next_event
from fleetopt.simulation.fleet_kernel.kv import blocks, blocks_gained, has_room
from fleetopt.simulation.kernel import (
    _compiled,
    _heap_push,
    _inlined,
    _iterations_until,
    _tree_set,
)
from fleetopt.simulation.state import NEVER

_REQUEST_BITS = 31
_REQUEST_MASK = 2**_REQUEST_BITS - 1


@_compiled
def insert_waiting(replica: Any, requests: Any, q: int) -> None:
    """Put request q into a replica's queue, which is in order of arrival."""
    replica.waiting += 1
    head = replica.queue_head
    if head < 0 or q > replica.queue_tail:
        requests[q].next = -1
        if head < 0:
            replica.queue_head = q
        else:
            requests[replica.queue_tail].next = q
        replica.queue_tail = q
        return
    before = -1
    while head < q:
        before = head
        head = requests[head].next
    requests[q].next = head
    if before < 0:
        replica.queue_head = q
    else:
        requests[before].next = q


@_compiled
def remove_waiting(replica: Any, requests: Any, q: int) -> None:
    """Take request q out of a replica's queue."""
    before = -1
    at = replica.queue_head
    while at != q:
        before = at
        at = requests[at].next
    after = requests[q].next
    if before < 0:
        replica.queue_head = after
    else:
        requests[before].next = after
    if after < 0:
        replica.queue_tail = before
    replica.waiting -= 1


@_compiled
def hold(pool: Any, requests: Any, q: int) -> None:
    """Let request q wait, in order of arrival, for a replica of its pool to come up."""
    requests[q].replica = -1
    pool.waiting += 1
    before = -1
    after = pool.held_head
    if after >= 0 and q > pool.held_tail:
        before, after = pool.held_tail, -1
    while after >= 0 and after < q:
        before = after
        after = requests[after].next
    requests[q].next = after
    if before < 0:
        pool.held_head = q
    else:
        requests[before].next = q
    if after < 0:
        pool.held_tail = q


@_compiled
def remove_held(pool: Any, requests: Any, q: int) -> None:
    """Take request q out of those that wait for a replica to come up."""
    before = -1
    at = pool.held_head
    while at != q:
        before = at
        at = requests[at].next
    after = requests[q].next
    if before < 0:
        pool.held_head = after
    else:
        requests[before].next = after
    if after < 0:
        pool.held_tail = before
    pool.waiting -= 1


@_inlined
def plan_admission(pool: Any, replica: Any, requests: Any, phases: Any, now: float) -> None:
    """Set the iteration before which the first waiting request joins a busy replica."""
    replica.admit_at = NEVER
    q = replica.queue_head
    if q < 0 or not has_room(pool, replica, requests[q], 0):
        return
    k = _iterations_until(replica, now)
    if has_room(pool, replica, requests[q], blocks_gained(pool, replica, phases, k + 1)):
        replica.admit_at = replica.epoch_iteration + k


@_inlined
def admit_waiting(
    pool: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    nodes: Any,
    handovers: Any,
    r: int,
    i: int,
    now: float,
) -> None:
    """Admit waiting requests in order of arrival while there is room."""
    replica = replicas[r]
    while replica.queue_head >= 0 and has_room(pool, replica, requests[replica.queue_head], 0):
        q = replica.queue_head
        replica.queue_head = requests[q].next
        replica.waiting -= 1
        pool.waiting -= 1
        admit(pool, replicas, requests, heap, phases, nodes, handovers, r, q, i, now)


@_compiled
def head_changed(
    pool: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    nodes: Any,
    handovers: Any,
    r: int,
    now: float,
) -> None:
    """Another request waits first, or there is more room for it."""
    replica = replicas[r]
    if replica.active == 0:
        admit_waiting(pool, replicas, requests, heap, phases, nodes, handovers, r, 0, now)
        _tree_set(times, r, begin_epoch(pool, replica, requests, heap, phases, 0, now))
        return
    plan_admission(pool, replica, requests, phases, now)
    _tree_set(times, r, next_event(pool, replica, requests, heap))


@_compiled
def remove_decode(heap: Any, base: int, size: int, place: int) -> None:
    """Remove the entry at a place of a heap of `size` entries that begins at `base`."""
    entry = heap[base + size - 1]
    size -= 1
    if place == size:
        return
    child = 2 * place + 1
    while child < size:
        if child + 1 < size and heap[base + child + 1] < heap[base + child]:
            child += 1
        if heap[base + child] >= entry:
            break
        heap[base + place] = heap[base + child]
        place = child
        child = 2 * place + 1
    _heap_push(heap, base, place, entry)


@_compiled
def held_tokens(pool: Any, request: Any, i: int) -> int:
    """Tokens that a prefilling sequence holds before iteration i."""
    if pool.current == 1:
        left: int = request.prefill
        return request.prompt + request.kept - left
    left = request.prompt + request.kept - request.begun
    chunks = (left + pool.chunk_tokens - 1) // pool.chunk_tokens - (request.prefill - i)
    begun: int = request.begun
    return begun + chunks * pool.chunk_tokens


@_compiled
def preempt_youngest(
    pool: Any, replica: Any, requests: Any, heap: Any, phases: Any, handovers: Any, i: int
) -> None:
    """Send the sequence that arrived last back to the queue; it keeps its tokens, not its KV."""
    victim = -1
    place = -1
    for j in range(replica.decoding):
        q = heap[replica.heap + j] & _REQUEST_MASK
        if q > victim:
            victim = q
            place = j
    before = -1
    last = -1
    q = replica.prefill_head
    while q >= 0:
        if q > victim:
            victim = q
            place = -1
            before = last
        last = q
        q = requests[q].next
    request = requests[victim]
    if place >= 0:
        end = heap[replica.heap + place] >> _REQUEST_BITS
        request.kept = request.output - (end - i)
        held = request.prompt + request.kept
        phases[replica.phase + (end - request.output - request.prompt) % pool.block_tokens] -= 1
        remove_decode(heap, replica.heap, replica.decoding, place)
        replica.decoding -= 1
    else:
        held = held_tokens(pool, request, i)
        if before < 0:
            replica.prefill_head = request.next
        else:
            requests[before].next = request.next
    replica.blocks -= blocks(pool, request.prompt + request.kept + 1)
    replica.context -= held if pool.current == 1 else request.prompt + request.output
    replica.active -= 1
    replica.preemptions += 1
    replica.lost_tokens += held
    request.preemptions += 1
    if handovers is not None:
        handovers[victim].has_kv = 0
    insert_waiting(replica, requests, victim)
    pool.active -= 1
    pool.waiting += 1
