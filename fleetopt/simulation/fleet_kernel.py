"""The compiled simulator of a fleet: pools of replicas behind a router, with failures.

It runs each replica by epochs as `kernel` does. Where sequences take KV blocks as they
grow, an epoch also ends before the iteration for which the blocks do not suffice: each
decoding sequence takes a block every `block_tokens` iterations, so counts of sequences by
phase tell when. Events at the same instant come in this order: iteration ends (lowest
replica first), failures and repairs, timeouts, arrivals. The plain twin in
`fleet_reference` walks every iteration and agrees bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fleetopt.simulation.fleet_records import (
    FleetRequests,
    FleetTrajectory,
    PoolEngine,
    Rule,
    Setting,
    Status,
    Stop,
)
from fleetopt.simulation.fleet_state import (
    BINS,
    LEAST_EXPONENT,
    OCTAVES,
    fleet_trajectory,
    new_fleet,
)
from fleetopt.simulation.kernel import (
    _compiled,
    _end_of,
    _heap_pop,
    _heap_push,
    _iterations_until,
    _tree_least,
    _tree_set,
)
from fleetopt.simulation.state import NEVER

_INF = math.inf
_REQUEST_BITS = 31
_REQUEST_MASK = 2**_REQUEST_BITS - 1
_UNFINISHED, _COMPLETED, _TRUNCATED, _TOO_LONG, _NO_POOL, _QUEUE_FULL, _TIMEOUT = (
    int(status) for status in Status
)
_STATIC, _FEWEST, _TWO_CHOICES, _SPILLOVER, _PREFIX = (int(rule) for rule in Rule)
_TIME, _DIVERGED, _EVENTS = int(Stop.TIME), int(Stop.DIVERGED), int(Stop.EVENTS)
_LEAST_MARKS = 16
"""Checkpoints before a backlog can prove that it diverges."""


@_compiled
def _blocks(pool: Any, tokens: int) -> int:
    size: int = pool.block_tokens
    return (tokens + size - 1) // size


@_compiled
def _blocks_to_admit(pool: Any, request: Any) -> int:
    """All blocks of a request, or those of its prompt and first token if it grows."""
    if pool.growth == 1:
        return _blocks(pool, request.prompt + request.kept + 1)
    return _blocks(pool, request.prompt + request.output)


@_compiled
def _has_room(pool: Any, replica: Any, request: Any, gained: int) -> bool:
    """Whether a request can join once the batch holds `gained` more blocks."""
    if replica.active >= pool.slots:
        return False
    if pool.kv_blocks == 0:
        return True
    held: int = replica.blocks + gained
    return held + _blocks_to_admit(pool, request) <= pool.kv_blocks


@_compiled
def _blocks_gained(pool: Any, replica: Any, phases: Any, k: int) -> int:
    """Blocks that growing sequences take in iterations 2 .. k of the epoch."""
    if pool.growth == 0 or k <= 1:
        return 0
    size = pool.block_tokens
    gained = (k - 1) // size * replica.decoding
    first = replica.epoch_iteration + 1
    for j in range((k - 1) % size):
        gained += phases[replica.phase + (first + j) % size]
    return gained


@_compiled
def _exhaustion(pool: Any, replica: Any, phases: Any, until: int) -> int:
    """Iteration for which the KV blocks do not suffice, if it comes before `until`."""
    size = pool.block_tokens
    free = pool.kv_blocks - replica.blocks
    cycles = free // replica.decoding
    i = replica.epoch_iteration + 1 + cycles * size
    left = free - cycles * replica.decoding
    while i < until:
        left -= phases[replica.phase + i % size]
        if left < 0:
            return i
        i += 1
    return NEVER


# --- prefix cache -------------------------------------------------------------------


@_compiled
def _unlink_node(replica: Any, nodes: Any, node: int) -> None:
    older, newer = nodes[node].older, nodes[node].newer
    if older >= 0:
        nodes[older].newer = newer
    else:
        replica.oldest = newer
    if newer >= 0:
        nodes[newer].older = older
    else:
        replica.newest = older


@_compiled
def _keep_prefix(pool: Any, replica: Any, nodes: Any, node: int, tokens: int) -> None:
    """Put a prefix into a replica's cache as the newest; drop the oldest beyond its size."""
    if nodes[node].tokens > 0:
        _unlink_node(replica, nodes, node)
    tokens = min(max(tokens, nodes[node].tokens), pool.cache_tokens)
    replica.cached += tokens - nodes[node].tokens
    nodes[node].tokens = tokens
    nodes[node].newer = -1
    nodes[node].older = replica.newest
    if replica.newest >= 0:
        nodes[replica.newest].newer = node
    else:
        replica.oldest = node
    replica.newest = node
    while replica.cached > pool.cache_tokens:
        _drop_oldest(replica, nodes)


@_compiled
def _drop_oldest(replica: Any, nodes: Any) -> None:
    node = replica.oldest
    _unlink_node(replica, nodes, node)
    replica.cached -= nodes[node].tokens
    nodes[node].tokens = 0


@_compiled
def _hit_tokens(pool: Any, replicas_count: int, nodes: Any, r: int, request: Any) -> int:
    """Prompt tokens that a replica's cache saves: whole blocks, never the last token."""
    if pool.cache_tokens == 0 or request.prefix < 0:
        return 0
    held = min(nodes[request.prefix * replicas_count + r].tokens, request.prefix_tokens)
    held = min(held, request.prompt + request.kept - 1)
    whole: int = held // pool.block_tokens * pool.block_tokens
    return whole


# --- batch --------------------------------------------------------------------------


@_compiled
def _admit(
    pool: Any, replicas: Any, requests: Any, nodes: Any, r: int, q: int, i: int, now: float
) -> None:
    """Put request q into the batch of a replica whose next iteration is number i."""
    replica = replicas[r]
    request = requests[q]
    if math.isnan(request.admitted_s):
        request.admitted_s = now
    if pool.kv_blocks > 0:
        replica.blocks += _blocks_to_admit(pool, request)
    replica.active += 1
    pool.active += 1
    request.begun = _hit_tokens(pool, replicas.size, nodes, r, request)
    request.hit += request.begun
    left = request.prompt + request.kept - request.begun
    if pool.current == 1:
        request.prefill = left
        replica.context += request.begun
    else:
        request.prefill = i + (left + pool.chunk_tokens - 1) // pool.chunk_tokens
        replica.context += request.prompt + request.output
    _join_prefills(pool, replica, requests, q)


@_compiled
def _join_prefills(pool: Any, replica: Any, requests: Any, q: int) -> None:
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
def _plan_prefill(pool: Any, replica: Any, requests: Any) -> int:
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


@_compiled
def _begin_epoch(
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
            planned = _plan_prefill(pool, replica, requests)
        replica.growth = replica.decoding + planned
    replica.first_s = pool.base_s + pool.per_context_token_s * replica.context
    replica.growth_s = pool.per_context_token_s * replica.growth
    replica.floor_s = pool.prefill_base_s + pool.prefill_per_token_s * planned
    if pool.growth == 1 and replica.decoding > 0:
        until = _next_iteration(pool, replica, requests, heap)
        replica.evict_at = _exhaustion(pool, replica, phases, until)
    return _next_event(pool, replica, requests, heap)


@_compiled
def _next_event(pool: Any, replica: Any, requests: Any, heap: Any) -> float:
    """Time of the next iteration end at which the replica changes."""
    at = _next_iteration(pool, replica, requests, heap)
    return _end_of(replica, at - replica.epoch_iteration)


@_compiled
def _next_iteration(pool: Any, replica: Any, requests: Any, heap: Any) -> int:
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


@_compiled
def _end_prefills(
    pool: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    nodes: Any,
    r: int,
    i: int,
    now: float,
) -> None:
    """Sequences whose prefill ends with iteration i - 1 begin to decode."""
    replica = replicas[r]
    before = -1
    q = replica.prefill_head
    while q >= 0:
        request = requests[q]
        after = request.next
        if pool.current == 1:
            request.prefill -= request.share
        elif request.prefill > i:
            break
        if pool.current == 1 and request.prefill > 0:
            before = q
        else:
            if math.isnan(request.prefill_end_s):
                request.prefill_end_s = now
            entry = ((i + request.output - request.kept) << _REQUEST_BITS) | q
            _heap_push(heap, replica.heap, replica.decoding, entry)
            replica.decoding += 1
            if pool.growth == 1:
                phase = (i - request.prompt - request.kept) % pool.block_tokens
                phases[replica.phase + phase] += 1
            if pool.cache_tokens > 0 and request.prefix >= 0:
                node = request.prefix * replicas.size + r
                _keep_prefix(pool, replica, nodes, node, request.prompt)
            if before < 0:
                replica.prefill_head = after
            else:
                requests[before].next = after
        q = after


@_compiled
def _end_decodes(
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
            replica.blocks -= _blocks(pool, total)
        if pool.growth == 1:
            phases[replica.phase + (i - total) % pool.block_tokens] -= 1
        if pool.cache_tokens > 0 and request.prefix >= 0:
            node = request.prefix * replicas.size + r
            _keep_prefix(pool, replica, nodes, node, total)
        run.open_measured -= request.arrival_s < measure_end_s
        left += 1
    pool.active -= left
    pool.completed += left
    return left


# --- queue --------------------------------------------------------------------------


@_compiled
def _insert_waiting(replica: Any, requests: Any, q: int) -> None:
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
def _remove_waiting(replica: Any, requests: Any, q: int) -> None:
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
def _hold(pool: Any, requests: Any, q: int) -> None:
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
def _remove_held(pool: Any, requests: Any, q: int) -> None:
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


@_compiled
def _plan_admission(
    pool: Any, replica: Any, requests: Any, phases: Any, now: float
) -> None:
    """Set the iteration before which the first waiting request joins a busy replica."""
    replica.admit_at = NEVER
    q = replica.queue_head
    if q < 0 or not _has_room(pool, replica, requests[q], 0):
        return
    k = _iterations_until(replica, now)
    if _has_room(pool, replica, requests[q], _blocks_gained(pool, replica, phases, k + 1)):
        replica.admit_at = replica.epoch_iteration + k


@_compiled
def _admit_waiting(
    pool: Any, replicas: Any, requests: Any, nodes: Any, r: int, i: int, now: float
) -> None:
    """Admit waiting requests in order of arrival while there is room."""
    replica = replicas[r]
    while replica.queue_head >= 0 and _has_room(pool, replica, requests[replica.queue_head], 0):
        q = replica.queue_head
        replica.queue_head = requests[q].next
        replica.waiting -= 1
        pool.waiting -= 1
        _admit(pool, replicas, requests, nodes, r, q, i, now)


# --- preemption ---------------------------------------------------------------------


@_compiled
def _remove_decode(heap: Any, base: int, size: int, place: int) -> None:
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
def _held_tokens(pool: Any, request: Any, i: int) -> int:
    """Tokens that a prefilling sequence holds before iteration i."""
    if pool.current == 1:
        left: int = request.prefill
        return request.prompt + request.kept - left
    left = request.prompt + request.kept - request.begun
    chunks = (left + pool.chunk_tokens - 1) // pool.chunk_tokens - (request.prefill - i)
    begun: int = request.begun
    return begun + chunks * pool.chunk_tokens


@_compiled
def _preempt_youngest(
    pool: Any, replica: Any, requests: Any, heap: Any, phases: Any, i: int
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
        _remove_decode(heap, replica.heap, replica.decoding, place)
        replica.decoding -= 1
    else:
        held = _held_tokens(pool, request, i)
        if before < 0:
            replica.prefill_head = request.next
        else:
            requests[before].next = request.next
    replica.blocks -= _blocks(pool, request.prompt + request.kept + 1)
    replica.context -= held if pool.current == 1 else request.prompt + request.output
    replica.active -= 1
    replica.preemptions += 1
    replica.lost_tokens += held
    request.preemptions += 1
    _insert_waiting(replica, requests, victim)
    pool.active -= 1
    pool.waiting += 1


# --- accounts -----------------------------------------------------------------------


@_compiled
def _token_bin(seconds: float) -> int:
    """Bin of a token time; each octave has BINS equal ones."""
    mantissa, exponent = math.frexp(seconds)
    place = (exponent - LEAST_EXPONENT) * BINS + int((mantissa - 0.5) * (2 * BINS))
    return max(0, min(place, OCTAVES * BINS - 1))


@_compiled
def _book(
    pool: Any,
    replica: Any,
    phases: Any,
    histogram: Any,
    tokens: Any,
    k: int,
    now: float,
    window: Any,
) -> None:
    """Account for k iterations of the epoch that ends now; move context and blocks on."""
    if replica.active == 0:
        return
    gained = _blocks_gained(pool, replica, phases, k)
    seconds = min(now, window.measure_end_s) - max(replica.epoch_s, window.warmup_s)
    if seconds > 0.0:
        replica.busy_s += seconds
        held = replica.blocks + 0.5 * gained if pool.kv_blocks > 0 else float(replica.active)
        replica.kv_block_s += held * seconds
        histogram[pool.histogram + replica.active] += seconds
    if window.warmup_s <= now < window.measure_end_s:
        replica.work += k * replica.active
        replica.context_sum += k * replica.context + 0.5 * k * (k - 1) * replica.growth
        if replica.decoding > 0 and k > 0:
            place = _token_bin((now - replica.epoch_s) / k)
            tokens[replica.pool, place] += k * replica.decoding
    replica.context += k * replica.growth
    replica.blocks += gained


@_compiled
def _down_time(replica: Any, now: float, window: Any) -> None:
    seconds = min(now, window.measure_end_s) - max(replica.down_since_s, window.warmup_s)
    if seconds > 0.0:
        replica.down_s += seconds


@_compiled
def _count(counts: Any, pool: Any, r: int, change: int) -> None:
    """Change the sequences of a replica in its pool's tree."""
    count = counts[pool.tree + pool.leaves + r - pool.first]
    _set_count(counts, pool, r, count + change)


@_compiled
def _set_count(counts: Any, pool: Any, r: int, count: int) -> None:
    """Set the sequences of a replica in its pool's tree; NEVER keeps requests away."""
    base = pool.tree
    node = pool.leaves + r - pool.first
    counts[base + node] = count
    node //= 2
    while node >= 1:
        least = min(counts[base + 2 * node], counts[base + 2 * node + 1])
        if counts[base + node] == least:
            break
        counts[base + node] = least
        node //= 2


@_compiled
def _read(pools: Any, replicas: Any, series: Any, mark: int) -> None:
    """Write a checkpoint's row of the time series."""
    for p in range(pools.size):
        pool = pools[p]
        series[0, mark, p] = pool.waiting
        series[1, mark, p] = pool.active
        series[2, mark, p] = pool.completed
        series[3, mark, p] = pool.up
        for r in range(pool.first, pool.last):
            series[4, mark, p] += replicas[r].waiting > 0


@_compiled
def _diverges(series: Any, checkpoint_s: Any, mark: int, stop_s: float) -> bool:
    """Whether a growing backlog could not drain in the time left even without arrivals.

    Its pool would have to serve faster than it did since the run's middle checkpoint.
    """
    if mark + 1 < _LEAST_MARKS:
        return False
    half = mark // 2
    span = checkpoint_s[mark] - checkpoint_s[half]
    for p in range(series.shape[2]):
        served = series[2, mark, p] - series[2, half, p]
        waiting = series[0, mark, p]
        able = served * (stop_s - checkpoint_s[mark])
        if waiting > series[0, half, p] and waiting * span > able:
            return True
    return False


# --- routing ------------------------------------------------------------------------


@_compiled
def _pressure(pool: Any) -> float:
    """Sequences of a pool over those that it should have; infinite if it is down."""
    if pool.up == 0:
        return _INF
    return (pool.waiting + pool.active) / (pool.up * pool.pressure_sequences)


@_compiled
def _fewest_pool(pools: Any, counts: Any, request: Any) -> int:
    """Among the pools that fit, the one whose emptiest replica has the fewest sequences."""
    best = -1
    least = NEVER
    for p in range(pools.size):
        count = counts[pools[p].tree + 1]
        if pools[p].max_context >= request.needs and count < least:
            best = p
            least = count
    return best


@_compiled
def _emptiest(pool: Any, counts: Any) -> int:
    """The replica of a pool with the fewest sequences."""
    base = pool.tree
    half: int = pool.leaves
    node = 1
    while node < half:
        node *= 2
        node += counts[base + node] > counts[base + node + 1]
    first: int = pool.first
    return first + node - half


@_compiled
def _sequences(pools: Any, replicas: Any, counts: Any, r: int) -> int:
    pool = pools[replicas[r].pool]
    count: int = counts[pool.tree + pool.leaves + r - pool.first]
    return count


@_compiled
def _best_prefix(
    pools: Any, replicas: Any, counts: Any, nodes: Any, request: Any, threshold: float
) -> int:
    """The replica that holds most of a request's prefix; the emptiest if that one is too full."""
    pool = pools[request.pool]
    emptiest = _emptiest(pool, counts)
    if request.prefix < 0 or pool.cache_tokens == 0:
        return emptiest
    best = emptiest
    most = 0
    for r in range(pool.first, pool.last):
        hit = _hit_tokens(pool, replicas.size, nodes, r, request)
        if hit > most:
            best = r
            most = hit
    most_sequences = _sequences(pools, replicas, counts, emptiest) + threshold
    if _sequences(pools, replicas, counts, best) > most_sequences:
        return emptiest
    return best


@_compiled
def _choose(
    pools: Any,
    replicas: Any,
    requests: Any,
    counts: Any,
    nodes: Any,
    choices: Any,
    q: int,
    rule: int,
    threshold: float,
) -> int:
    """The replica for request q, or -1 - p if it has to wait for pool p to come up."""
    request = requests[q]
    p = request.pool
    if rule == _TWO_CHOICES:
        one, other = choices[q, 0], choices[q, 1]
        r = one
        if _sequences(pools, replicas, counts, other) < _sequences(pools, replicas, counts, one):
            r = other
        if replicas[r].is_down == 0:
            return r
    if rule == _TWO_CHOICES or rule == _FEWEST:
        best = _fewest_pool(pools, counts, request)
        if best >= 0:
            p = best
    elif rule == _SPILLOVER:
        pressure = _pressure(pools[p])
        over = pools[p].overflow
        if over >= 0 and pressure > threshold and _pressure(pools[over]) < pressure:
            p = over
    if pools[p].up == 0:
        return -1 - p
    if rule == _PREFIX:
        return _best_prefix(pools, replicas, counts, nodes, request, threshold)
    return _emptiest(pools[p], counts)


# --- events -------------------------------------------------------------------------


@_compiled
def _client_sends(clients: Any, run: Any, think_s: Any, now: float) -> None:
    """A client's request has ended: put the time of its next one into the clients' heap."""
    wait_s = think_s[run.sent] if run.sent < think_s.size else 0.0
    _heap_push(clients, 0, run.clients, now + wait_s)
    run.clients += 1
    run.sent += 1


@_compiled
def _reject(
    requests: Any, run: Any, clients: Any, think_s: Any, q: int, status: int, now: float, end_s: float
) -> None:
    """Turn request q away."""
    requests[q].status = status
    run.open_measured -= requests[q].arrival_s < end_s
    if clients.size > 0:
        _client_sends(clients, run, think_s, now)


@_compiled
def _fit(pool: Any, request: Any) -> bool:
    """Cut a request's output to its pool's context window; whether it can ever be served."""
    if request.prompt >= pool.max_context:
        return False
    request.output = min(request.asked, pool.max_context - request.prompt)
    if pool.kv_blocks == 0:
        return True
    return _blocks(pool, request.prompt + request.output) <= pool.kv_blocks


@_compiled
def _send(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    choices: Any,
    q: int,
    now: float,
    rule: int,
    threshold: float,
) -> int:
    """Route request q and bring it to its replica; a status other than 0 turns it away."""
    request = requests[q]
    if request.pool < 0:
        return _NO_POOL
    r = _choose(pools, replicas, requests, counts, nodes, choices, q, rule, threshold)
    p = replicas[r].pool if r >= 0 else -1 - r
    pool = pools[p]
    if not _fit(pool, request):
        return _TOO_LONG
    request.pool = p
    if r < 0:
        _hold(pool, requests, q)
        return _UNFINISHED
    replica = replicas[r]
    is_full = replica.active > 0 and 0 < pool.queue_limit <= replica.waiting
    if is_full and request.restarts == 0:
        return _QUEUE_FULL
    request.replica = r
    _count(counts, pool, r, 1)
    if replica.active == 0:
        _admit(pool, replicas, requests, nodes, r, q, 0, now)
        _tree_set(times, r, _begin_epoch(pool, replica, requests, heap, phases, 0, now))
        return _UNFINISHED
    _insert_waiting(replica, requests, q)
    pool.waiting += 1
    if replica.queue_head == q:
        _plan_admission(pool, replica, requests, phases, now)
        _tree_set(times, r, _next_event(pool, replica, requests, heap))
    return _UNFINISHED


@_compiled
def _iterate(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    clients: Any,
    think_s: Any,
    histogram: Any,
    tokens: Any,
    run: Any,
    r: int,
    now: float,
    window: Any,
) -> None:
    """A replica's batch changes: sequences leave, are preempted and join."""
    replica = replicas[r]
    pool = pools[replica.pool]
    i = _next_iteration(pool, replica, requests, heap)
    _book(pool, replica, phases, histogram, tokens, i - replica.epoch_iteration, now, window)
    end_s = window.measure_end_s
    left = _end_decodes(pool, replicas, requests, heap, phases, nodes, run, r, i, now, end_s)
    if pool.growth == 1:
        replica.blocks += phases[replica.phase + i % pool.block_tokens]
    _end_prefills(pool, replicas, requests, heap, phases, nodes, r, i, now)
    while pool.growth == 1 and replica.blocks > pool.kv_blocks:
        _preempt_youngest(pool, replica, requests, heap, phases, i)
    _admit_waiting(pool, replicas, requests, nodes, r, i, now)
    _tree_set(times, r, _begin_epoch(pool, replica, requests, heap, phases, i, now))
    if left > 0:
        _count(counts, pool, r, -left)
        if clients.size > 0:
            for _ in range(left):
                _client_sends(clients, run, think_s, now)


@_compiled
def _take_down(
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
    _book(pool, replica, phases, histogram, tokens, k, now, window)
    pool.waiting -= replica.waiting
    pool.active -= replica.active
    q = replica.prefill_head
    while q >= 0:
        after = requests[q].next
        replica.lost_tokens += _held_tokens(pool, requests[q], i)
        _insert_waiting(replica, requests, q)
        q = after
    for j in range(replica.decoding):
        entry = heap[replica.heap + j]
        q = entry & _REQUEST_MASK
        held = requests[q].prompt + requests[q].output - ((entry >> _REQUEST_BITS) - i)
        replica.lost_tokens += held
        _insert_waiting(replica, requests, q)
    for j in range(pool.block_tokens if pool.growth == 1 else 0):
        phases[replica.phase + j] = 0
    while replica.oldest >= 0:
        _drop_oldest(replica, nodes)
    replica.prefill_head = -1
    replica.active = replica.decoding = replica.waiting = 0
    replica.context = replica.growth = replica.blocks = 0
    replica.admit_at = replica.evict_at = NEVER


@_compiled
def _fail(
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
            _set_count(counts, pool, r, NEVER)
            _tree_set(times, r, _INF)
            _take_down(pool, replicas[r], requests, heap, phases, nodes, histogram, tokens, now, window)
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
            status = _send(
                pools,
                replicas,
                requests,
                heap,
                phases,
                times,
                counts,
                nodes,
                choices,
                q,
                now,
                rule,
                threshold,
            )
            if status != _UNFINISHED:
                end_s = window.measure_end_s
                _reject(requests, run, clients, think_s, q, status, now, end_s)
            q = after


@_compiled
def _repair(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    fault: Any,
    window: Any,
) -> None:
    """Replicas come up empty; requests that waited for one of their pool join them."""
    now = fault.time_s
    for r in range(fault.first, fault.last):
        pool = pools[replicas[r].pool]
        replicas[r].is_down -= 1
        if replicas[r].is_down == 0:
            _down_time(replicas[r], now, window)
            pool.up += 1
            _set_count(counts, pool, r, 0)
    for p in range(pools.size):
        pool = pools[p]
        while pool.up > 0 and pool.held_head >= 0:
            q = pool.held_head
            _remove_held(pool, requests, q)
            r = _emptiest(pool, counts)
            requests[q].replica = r
            _count(counts, pool, r, 1)
            if replicas[r].active == 0:
                _admit(pool, replicas, requests, nodes, r, q, 0, now)
                next_s = _begin_epoch(pool, replicas[r], requests, heap, phases, 0, now)
                _tree_set(times, r, next_s)
            else:
                _insert_waiting(replicas[r], requests, q)
                pool.waiting += 1
                if replicas[r].queue_head == q:
                    _plan_admission(pool, replicas[r], requests, phases, now)
                    _tree_set(times, r, _next_event(pool, replicas[r], requests, heap))


@_compiled
def _time_out(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    q: int,
    now: float,
) -> None:
    """Take request q out of the queue that it stands in."""
    pool = pools[requests[q].pool]
    r = requests[q].replica
    if r < 0:
        _remove_held(pool, requests, q)
        return
    was_first = replicas[r].queue_head == q
    _remove_waiting(replicas[r], requests, q)
    pool.waiting -= 1
    _count(counts, pool, r, -1)
    if was_first:
        _plan_admission(pool, replicas[r], requests, phases, now)
        _tree_set(times, r, _next_event(pool, replicas[r], requests, heap))


@_compiled
def _next_deadline(requests: Any, run: Any, timeout_s: float) -> float:
    """When the next request that still waits for its first admission gives up."""
    if timeout_s == _INF:
        return _INF
    while run.deadline < run.arrived:
        request = requests[run.deadline]
        was_admitted = request.restarts > 0 or not math.isnan(request.admitted_s)
        if request.status == _UNFINISHED and not was_admitted:
            return request.arrival_s + timeout_s
        run.deadline += 1
    return _INF


@_compiled
def _run(
    window: Any,
    checkpoint_s: Any,
    rule: int,
    threshold: float,
    timeout_s: float,
    most_events: int,
    stop_early: int,
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
    faults: Any,
    histogram: Any,
    tokens: Any,
    series: Any,
    runs: Any,
) -> None:
    """The event loop."""
    run = runs[0]
    size = requests.size
    run.clients = clients.size
    while True:
        arrival_s = _INF
        if run.arrived < size:
            if clients.size == 0:
                arrival_s = requests[run.arrived].arrival_s
            elif run.clients > 0:
                arrival_s = clients[0]
        if run.open_measured == 0 and arrival_s >= window.measure_end_s:
            break
        now = times[1]
        event = 0
        if run.fault < faults.size and faults[run.fault].time_s < now:
            now = faults[run.fault].time_s
            event = 1
        deadline_s = _next_deadline(requests, run, timeout_s)
        if deadline_s < now:
            now = deadline_s
            event = 2
        if arrival_s < now:
            now = arrival_s
            event = 3
        if now > window.stop_s or now == _INF:
            run.stop = _TIME
            run.now = window.stop_s
            break
        while run.seen < checkpoint_s.size and checkpoint_s[run.seen] <= now:
            _read(pools, replicas, series, run.seen)
            if stop_early == 1 and _diverges(series, checkpoint_s, run.seen, window.stop_s):
                run.stop = _DIVERGED
                now = checkpoint_s[run.seen]
                run.seen += 1
                break
            run.seen += 1
        if run.stop == _DIVERGED:
            run.now = now
            break
        run.now = now
        run.events += 1
        if run.events > most_events:
            run.stop = _EVENTS
            break
        if event == 0:
            r = _tree_least(times)
            _iterate(
                pools,
                replicas,
                requests,
                heap,
                phases,
                times,
                counts,
                nodes,
                clients,
                think_s,
                histogram,
                tokens,
                run,
                r,
                now,
                window,
            )
        elif event == 1:
            fault = faults[run.fault]
            run.fault += 1
            if fault.down == 1:
                _fail(
                    pools,
                    replicas,
                    requests,
                    heap,
                    phases,
                    times,
                    counts,
                    nodes,
                    choices,
                    clients,
                    think_s,
                    histogram,
                    tokens,
                    run,
                    fault,
                    window,
                    rule,
                    threshold,
                )
            else:
                _repair(
                    pools, replicas, requests, heap, phases, times, counts, nodes, fault, window
                )
        elif event == 2:
            q = run.deadline
            run.deadline += 1
            _time_out(pools, replicas, requests, heap, phases, times, counts, q, now)
            _reject(requests, run, clients, think_s, q, _TIMEOUT, now, window.measure_end_s)
        else:
            q = run.arrived
            run.arrived += 1
            if clients.size > 0:
                requests[q].arrival_s = now
                _heap_pop(clients, 0, run.clients)
                run.clients -= 1
            run.open_measured += now < window.measure_end_s
            status = _send(
                pools,
                replicas,
                requests,
                heap,
                phases,
                times,
                counts,
                nodes,
                choices,
                q,
                now,
                rule,
                threshold,
            )
            if status != _UNFINISHED:
                end_s = window.measure_end_s
                _reject(requests, run, clients, think_s, q, status, now, end_s)
    for r in range(replicas.size):
        _book(pools[replicas[r].pool], replicas[r], phases, histogram, tokens, 0, run.now, window)
        if replicas[r].is_down > 0:
            _down_time(replicas[r], run.now, window)


def run_fleet(
    pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting
) -> FleetTrajectory:
    """Simulate a fleet. Same result as the twin's.

    Raises ValueError if there is no pool, a pool has no replica, or arrivals are not in order.
    """
    state = new_fleet(pools, requests, setting)
    limits = setting.limits
    _run(
        setting.window,
        setting.checkpoint_s,
        int(setting.rule),
        float(setting.threshold),
        float(limits.timeout_s),
        int(limits.events),
        int(limits.stop_early),
        *state,
    )
    return fleet_trajectory(state)
