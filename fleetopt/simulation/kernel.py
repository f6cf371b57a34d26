"""The compiled simulator of one pool: replicas run iterations, arrays in, arrays out.

Each replica runs epochs: stretches of iterations over which its batch composition stays
the same. Within an epoch the context grows linearly, so the end of any iteration has a
closed form and the kernel jumps to the next one at which something changes. The plain
twin in `reference` walks every iteration with the same arithmetic and agrees bit for bit.

State lives in arrays of records. Tuples of arrays would be simpler to pass, but count
references at every access, which was two thirds of the run time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

from fleetopt.simulation.records import (
    UNLIMITED,
    Engine,
    Floats,
    Ints,
    PoolLimits,
    Requests,
    Trajectory,
    Window,
)
from fleetopt.simulation.state import NEVER, new_state, trajectory

_F = TypeVar("_F", bound=Callable[..., Any])
_INF = math.inf
_SHUT = 2**40
"""Sequences by which a replica that takes no requests seems to be ahead of the others."""
_REQUEST_BITS = 31
_REQUEST_MASK = 2**_REQUEST_BITS - 1


def _compiled(function: _F, **flags: bool) -> _F:
    """Compile with the disk cache; without it where no cache folder can be written."""
    options = {"nogil": True, "error_model": "numpy", **flags}
    try:
        return cast(_F, njit(cache=True, **options)(function))
    except RuntimeError:
        return cast(_F, njit(**options)(function))


def _inlined(function: _F) -> _F:
    """Compile into its callers, and into it what it calls.

    Passing arrays, seven words each, was 0.35 of a fleet's run time.
    """
    return _compiled(function, forceinline=True)


@_compiled
def _elapsed(k: int, first_s: float, growth_s: float, floor_s: float) -> float:
    """Seconds from an epoch's start to the end of its k-th iteration."""
    if growth_s == 0.0:
        return k * max(first_s, floor_s)
    if first_s >= floor_s:
        return k * first_s + growth_s * (0.5 * k * (k - 1))
    flat = math.ceil((floor_s - first_s) / growth_s)
    if k <= flat:
        return k * floor_s
    rest = k - flat
    risen = first_s + growth_s * flat
    return flat * floor_s + rest * risen + growth_s * (0.5 * rest * (rest - 1))


@_compiled
def _end_of(replica: Any, k: int) -> float:
    """Time at which the k-th iteration of the epoch ends."""
    start_s: float = replica.epoch_s
    return start_s + _elapsed(k, replica.first_s, replica.growth_s, replica.floor_s)


@_compiled
def _iterations_until(replica: Any, time_s: float) -> int:
    """Least k >= 1 such that the k-th iteration of the epoch ends at or after a time."""
    low = max(replica.first_s, replica.floor_s)
    span = time_s - replica.epoch_s
    if replica.growth_s > 0.0:
        guess = (math.sqrt(low * low + 2.0 * replica.growth_s * span) - low) / replica.growth_s
    else:
        guess = span / low
    k = max(1, int(guess))
    while _end_of(replica, k) < time_s:
        k += 1
    while k > 1 and _end_of(replica, k - 1) >= time_s:
        k -= 1
    return k


@_compiled
def _tree_set(tree: Any, leaf: int, value: Any) -> None:
    """Set a leaf of a tournament tree whose inner nodes hold the least of their children."""
    node = leaf + tree.size // 2
    tree[node] = value
    node //= 2
    while node >= 1:
        least = min(tree[2 * node], tree[2 * node + 1])
        if tree[node] == least:
            break
        tree[node] = least
        node //= 2


@_compiled
def _tree_least(tree: Any) -> int:
    """Lowest index among the leaves with the least value."""
    half: int = tree.size // 2
    node = 1
    while node < half:
        node *= 2
        if tree[node] > tree[node + 1]:
            node += 1
    return node - half


@_compiled
def _heap_push(heap: Any, base: int, size: int, entry: float) -> None:
    """Push an entry onto the heap of `size` entries that begins at `base`."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap[base + parent] <= entry:
            break
        heap[base + i] = heap[base + parent]
        i = parent
    heap[base + i] = entry


@_compiled
def _heap_pop(heap: Any, base: int, size: int) -> None:
    """Remove the least entry: sink the hole to a leaf, then let the last entry rise in it."""
    last = size - 1
    entry = heap[base + last]
    i = 0
    child = 1
    while child < last:
        if child + 1 < last:
            child += heap[base + child + 1] < heap[base + child]
        heap[base + i] = heap[base + child]
        i = child
        child = 2 * i + 1
    _heap_push(heap, base, i, entry)


@_compiled
def _blocks_of(engine: Engine, request: Any) -> int:
    tokens: int = request.prompt + request.output
    return (tokens + engine.block_tokens - 1) // engine.block_tokens


@_compiled
def _has_room(engine: Engine, slots: int, replica: Any, request: Any) -> bool:
    if replica.active >= slots:
        return False
    if engine.kv_blocks == 0:
        return True
    held: int = replica.blocks
    return held + _blocks_of(engine, request) <= engine.kv_blocks


@_compiled
def _admit(engine: Engine, replica: Any, requests: Any, q: int, i: int, now: float) -> None:
    """Put request q into the batch of a replica whose next iteration is number i."""
    request = requests[q]
    request.admitted_s = now
    replica.active += 1
    if engine.kv_blocks > 0:
        replica.blocks += _blocks_of(engine, request)
    if engine.current == 1:
        request.prefill = request.prompt
    else:
        replica.context += request.prompt + request.output
        chunks = (request.prompt + engine.chunk_tokens - 1) // engine.chunk_tokens
        request.prefill = i + chunks
    _join_prefills(engine, replica, requests, q)


@_compiled
def _join_prefills(engine: Engine, replica: Any, requests: Any, q: int) -> None:
    """Add q to the prefilling sequences: in order of arrival, or of the iteration of their end."""
    before = -1
    after = replica.prefill_head
    while after >= 0 and (engine.current == 1 or requests[after].prefill <= requests[q].prefill):
        before = after
        after = requests[after].next
    requests[q].next = after
    if before < 0:
        replica.prefill_head = q
    else:
        requests[before].next = q


@_compiled
def _plan_prefill(engine: Engine, replica: Any, requests: Any) -> int:
    """Share the iteration's prompt tokens out, first come first served; their sum."""
    left = NEVER
    if engine.token_budget > 0:
        left = engine.token_budget - replica.decoding
    planned = 0
    q = replica.prefill_head
    while q >= 0:
        share = max(0, min(requests[q].prefill, engine.chunk_tokens, left))
        requests[q].share = share
        left -= share
        planned += share
        q = requests[q].next
    return planned


@_compiled
def _begin_epoch(
    engine: Engine, replica: Any, requests: Any, heap: Any, i: int, now: float
) -> float:
    """Start an epoch at iteration i; the time of its next event."""
    replica.epoch_s = now
    replica.epoch_iteration = i
    replica.admit_at = NEVER
    if replica.active == 0:
        return _INF
    planned = 0
    if engine.current == 1:
        if replica.prefill_head >= 0:
            planned = _plan_prefill(engine, replica, requests)
        replica.growth = replica.decoding + planned
    replica.first_s = engine.base_s + engine.per_context_token_s * replica.context
    replica.growth_s = engine.per_context_token_s * replica.growth
    replica.floor_s = engine.prefill_base_s + engine.prefill_per_token_s * planned
    return _next_event(engine, replica, requests, heap)


@_compiled
def _next_event(engine: Engine, replica: Any, requests: Any, heap: Any) -> float:
    """Time of the next iteration end at which the replica changes."""
    at = _next_iteration(engine, replica, requests, heap)
    return _end_of(replica, at - replica.epoch_iteration)


@_compiled
def _next_iteration(engine: Engine, replica: Any, requests: Any, heap: Any) -> int:
    """Number of the next iteration before which the replica changes."""
    at: int = replica.admit_at
    if replica.decoding > 0:
        at = min(at, heap[replica.heap] >> _REQUEST_BITS)
    q = replica.prefill_head
    if q >= 0 and engine.current == 1:
        at = min(at, replica.epoch_iteration + 1)
    elif q >= 0:
        at = min(at, requests[q].prefill)
    return at


@_compiled
def _end_prefills(
    engine: Engine, replica: Any, requests: Any, heap: Any, i: int, now: float
) -> None:
    """Sequences whose prefill ends with iteration i - 1 begin to decode."""
    before = -1
    q = replica.prefill_head
    while q >= 0:
        request = requests[q]
        after = request.next
        if engine.current == 1:
            request.prefill -= request.share
        elif request.prefill > i:
            break
        if engine.current == 1 and request.prefill > 0:
            before = q
        else:
            request.prefill_end_s = now
            entry = ((i + request.output) << _REQUEST_BITS) | q
            _heap_push(heap, replica.heap, replica.decoding, entry)
            replica.decoding += 1
            if before < 0:
                replica.prefill_head = after
            else:
                requests[before].next = after
        q = after


@_compiled
def _end_decodes(engine: Engine, replica: Any, requests: Any, heap: Any, i: int, now: float) -> int:
    """Sequences whose last token comes with iteration i - 1 leave; how many."""
    left = 0
    while replica.decoding > 0 and heap[replica.heap] >> _REQUEST_BITS == i:
        request = requests[heap[replica.heap] & _REQUEST_MASK]
        _heap_pop(heap, replica.heap, replica.decoding)
        request.end_s = now
        replica.decoding -= 1
        replica.active -= 1
        replica.context -= request.prompt + request.output
        if engine.kv_blocks > 0:
            replica.blocks -= _blocks_of(engine, request)
        left += 1
    return left


@_compiled
def _admit_waiting(
    engine: Engine, slots: int, replica: Any, requests: Any, i: int, now: float
) -> int:
    """Admit waiting requests in order of arrival while there is room; how many."""
    admitted = 0
    q = replica.queue_head
    while q >= 0 and _has_room(engine, slots, replica, requests[q]):
        replica.queue_head = requests[q].next
        replica.waiting -= 1
        _admit(engine, replica, requests, q, i, now)
        admitted += 1
        q = replica.queue_head
    return admitted


@_compiled
def _enqueue(engine: Engine, slots: int, replica: Any, requests: Any, q: int) -> None:
    """Append an arrival to a busy replica's queue; plan its admission if there is room."""
    requests[q].next = -1
    replica.waiting += 1
    if replica.waiting > 1:
        requests[replica.queue_tail].next = q
        replica.queue_tail = q
        return
    replica.queue_head = q
    replica.queue_tail = q
    if _has_room(engine, slots, replica, requests[q]):
        k = _iterations_until(replica, requests[q].arrival_s)
        replica.admit_at = replica.epoch_iteration + k


@_compiled
def _change_slots(
    engine: Engine, slots: int, replica: Any, requests: Any, heap: Any, now: float
) -> float:
    """Plan the next admission anew under another limit; the time of the replica's next event."""
    q = replica.queue_head
    replica.admit_at = NEVER
    if q >= 0 and _has_room(engine, slots, replica, requests[q]):
        replica.admit_at = replica.epoch_iteration + _iterations_until(replica, now)
    return _next_event(engine, replica, requests, heap)


@_compiled
def _arrive(
    engine: Engine, slots: int, replica: Any, requests: Any, heap: Any, times: Any, r: int, q: int
) -> int:
    """Bring request q to replica r; 1 if it has to wait."""
    now = requests[q].arrival_s
    requests[q].replica = r
    if replica.active == 0:
        _admit(engine, replica, requests, q, 0, now)
        _tree_set(times, r, _begin_epoch(engine, replica, requests, heap, 0, now))
        return 0
    _enqueue(engine, slots, replica, requests, q)
    if replica.admit_at < NEVER:
        _tree_set(times, r, _next_event(engine, replica, requests, heap))
    return 1


@_compiled
def _book_epoch(replica: Any, totals: Any, k: int, measured: bool) -> None:
    """Account for k iterations of the epoch that ends; move the context on."""
    if measured:
        totals[0] += k * replica.active
        totals[1] += k * replica.context + 0.5 * k * (k - 1) * replica.growth
    replica.context += k * replica.growth


@_compiled
def _run(
    engine: Engine,
    window: Window,
    limits: PoolLimits,
    checkpoint_s: Floats,
    replicas: Any,
    requests: Any,
    heap: Any,
    times: Floats,
    counts: Ints,
    backlog: Ints,
    saturated: Ints,
    totals: Floats,
) -> None:
    """The event loop: iteration ends before arrivals, ties to the lowest replica."""
    size = requests.size
    half = counts.size // 2
    open_measured = 0
    while open_measured < size and requests[open_measured].arrival_s < window.measure_end_s:
        open_measured += 1
    arrived = 0
    waiting = 0
    seen = 0
    slots = engine.slots
    taking = replicas.size
    changes = 0
    change_s = limits.at_s[0] if limits.at_s.size > 0 else _INF
    while open_measured > 0:
        now = times[1]
        is_arrival = arrived < size and requests[arrived].arrival_s < now
        if is_arrival:
            now = requests[arrived].arrival_s
        if now > window.stop_s or now == _INF:
            break
        if now >= change_s:
            slots = min(engine.slots, limits.slots[changes])
            for r in range(replicas.size):
                if replicas[r].active > 0:
                    at_s = _change_slots(engine, slots, replicas[r], requests, heap, change_s)
                    _tree_set(times, r, at_s)
            least = min(replicas.size, limits.replicas[changes])
            for r in range(min(taking, least), max(taking, least)):
                moved = _SHUT if least < taking else -_SHUT
                _tree_set(counts, r, counts[half + r] + moved)
            taking = least
            changes += 1
            change_s = limits.at_s[changes] if changes < limits.at_s.size else _INF
            continue
        while seen < checkpoint_s.size and checkpoint_s[seen] <= now:
            backlog[seen] = waiting
            for r in range(replicas.size):
                saturated[seen] += replicas[r].waiting > 0
            seen += 1
        totals[2] += 1
        if is_arrival:
            r = _tree_least(counts)
            _tree_set(counts, r, counts[half + r] + 1)
            waiting += _arrive(engine, slots, replicas[r], requests, heap, times, r, arrived)
            arrived += 1
            continue
        r = _tree_least(times)
        replica = replicas[r]
        i = _next_iteration(engine, replica, requests, heap)
        measured = window.warmup_s <= now < window.measure_end_s
        _book_epoch(replica, totals, i - replica.epoch_iteration, measured)
        _end_prefills(engine, replica, requests, heap, i, now)
        left = _end_decodes(engine, replica, requests, heap, i, now)
        waiting -= _admit_waiting(engine, slots, replica, requests, i, now)
        _tree_set(times, r, _begin_epoch(engine, replica, requests, heap, i, now))
        if left > 0:
            _tree_set(counts, r, counts[half + r] - left)
            while open_measured > 0 and not math.isnan(requests[open_measured - 1].end_s):
                open_measured -= 1


def run_pool(
    engine: Engine,
    replicas: int,
    requests: Requests,
    window: Window,
    checkpoint_s: Floats,
    limits: PoolLimits = UNLIMITED,
) -> Trajectory:
    """Simulate one pool; requests must be able to fit. Same result as the twin's.

    replicas: number of replicas.
    checkpoint_s: ascending times at which the backlog is read.
    limits: of the slots and the replicas, over time.
    """
    state = new_state(engine.slots, replicas, requests, checkpoint_s.size)
    _run(engine, window, limits, checkpoint_s, *state)
    return trajectory(state)


def is_compiled() -> bool:
    """Whether a compiled kernel is in the cache, so that the next run starts at once."""
    folder = _run.stats.cache_path  # type: ignore[attr-defined]
    return folder is not None and any(Path(folder).glob("kernel._run*.nbi"))
