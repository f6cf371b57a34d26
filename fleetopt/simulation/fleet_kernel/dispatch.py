"""The way of a request to its replica, or out of the fleet."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.batch import admit, begin_epoch, next_event
from fleetopt.simulation.fleet_kernel.kv import blocks, has_room, hit_tokens
from fleetopt.simulation.fleet_kernel.queue import hold, insert_waiting, plan_admission
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import Rule, Status
from fleetopt.simulation.kernel import _compiled, _heap_pop, _heap_push, _inlined, _tree_set
from fleetopt.simulation.state import NEVER

_INF = math.inf
_UNFINISHED = int(Status.UNFINISHED)
_TOO_LONG = int(Status.TOO_LONG)
_NO_POOL = int(Status.NO_POOL)
_QUEUE_FULL = int(Status.QUEUE_FULL)
_FEWEST = int(Rule.FEWEST)
_TWO_CHOICES = int(Rule.TWO_CHOICES)
_SPILLOVER = int(Rule.SPILLOVER)
_PREFIX = int(Rule.PREFIX)
_PREFILL = int(Role.PREFILL)
_DECODE = int(Role.DECODE)


@_inlined
def count(counts: Any, pool: Any, r: int, change: int) -> None:
    """Change the sequences of a replica in its pool's tree."""
    count = counts[pool.tree + pool.leaves + r - pool.first]
    set_count(counts, pool, r, count + change)


@_inlined
def set_count(counts: Any, pool: Any, r: int, count: int) -> None:
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
def pressure_of(pool: Any) -> float:
    """Sequences of a pool over those that it should have; infinite if it is down."""
    if pool.up == 0:
        return _INF
    return (pool.waiting + pool.active) / (pool.up * pool.pressure_sequences)


@_compiled
def fewest_pool(pools: Any, counts: Any, request: Any) -> int:
    """Among the pools that fit, the one whose emptiest replica has the fewest sequences."""
    best = -1
    least = NEVER
    for p in range(pools.size):
        count = counts[pools[p].tree + 1]
        fits = pools[p].max_context >= request.needs and pools[p].role != _DECODE
        if fits and count < least:
            best = p
            least = count
    return best


@_inlined
def emptiest_of(pool: Any, counts: Any) -> int:
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
def sequences_of(pools: Any, replicas: Any, counts: Any, r: int) -> int:
    """Sequences of a replica, running and waiting."""
    pool = pools[replicas[r].pool]
    count: int = counts[pool.tree + pool.leaves + r - pool.first]
    return count


@_compiled
def best_prefix(
    pools: Any, replicas: Any, counts: Any, nodes: Any, request: Any, threshold: float
) -> int:
    """The replica that holds most of a request's prefix; the emptiest if that one is too full."""
    pool = pools[request.pool]
    emptiest = emptiest_of(pool, counts)
    if request.prefix < 0 or pool.cache_tokens == 0:
        return emptiest
    best = emptiest
    most = 0
    for r in range(pool.first, pool.last):
        hit = hit_tokens(pool, replicas.size, nodes, r, request)
        if hit > most:
            best = r
            most = hit
    most_sequences = sequences_of(pools, replicas, counts, emptiest) + threshold
    if sequences_of(pools, replicas, counts, best) > most_sequences:
        return emptiest
    return best


@_inlined
def choose(
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
        if sequences_of(pools, replicas, counts, other) < sequences_of(
            pools, replicas, counts, one
        ):
            r = other
        if replicas[r].is_down == 0:
            return r
    if rule in (_TWO_CHOICES, _FEWEST):
        best = fewest_pool(pools, counts, request)
        if best >= 0:
            p = best
    elif rule == _SPILLOVER:
        pressure = pressure_of(pools[p])
        over = pools[p].overflow
        if over >= 0 and pressure > threshold and pressure_of(pools[over]) < pressure:
            p = over
    if pools[p].up == 0:
        return -1 - p
    if rule == _PREFIX:
        return best_prefix(pools, replicas, counts, nodes, request, threshold)
    return emptiest_of(pools[p], counts)


@_compiled
def client_sends(clients: Any, run: Any, think_s: Any, now: float) -> None:
    """A client's request has ended: put the time of its next one into the clients' heap."""
    wait_s = think_s[run.sent] if run.sent < think_s.size else 0.0
    _heap_push(clients, 0, run.clients, now + wait_s)
    run.clients += 1
    run.sent += 1


@_compiled
def next_of_both(clients: Any, open_s: Any, run: Any) -> float:
    """When the next request comes, from a client or beside them."""
    at = _INF
    if run.clients > 0:
        at = clients[0]
    if run.opened < open_s.size:
        at = min(at, open_s[run.opened])
    return at


@_compiled
def take_next(clients: Any, open_s: Any, run: Any, now: float) -> int:
    """Take the arrival that comes now; whether a client sends it. Open ones go first."""
    if run.opened < open_s.size and open_s[run.opened] == now:
        run.opened += 1
        return 0
    _heap_pop(clients, 0, run.clients)
    run.clients -= 1
    return 1


@_compiled
def reject(
    requests: Any,
    run: Any,
    clients: Any,
    think_s: Any,
    q: int,
    status: int,
    now: float,
    end_s: float,
) -> None:
    """Turn request q away."""
    requests[q].status = status
    run.open_measured -= requests[q].arrival_s < end_s
    if requests[q].client == 1:
        client_sends(clients, run, think_s, now)


@_compiled
def fit(pool: Any, request: Any) -> bool:
    """Cut a request's output to its pool's context window; whether it can ever be served."""
    if request.prompt >= pool.max_context:
        return False
    request.output = min(request.asked, pool.max_context - request.prompt)
    if pool.kv_blocks == 0:
        return True
    most = request.prompt if pool.role == _PREFILL else request.prompt + request.output
    return blocks(pool, most) <= pool.kv_blocks


@_inlined
def send(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    choices: Any,
    handovers: Any,
    q: int,
    now: float,
    rule: int,
    threshold: float,
) -> int:
    """Route request q and bring it to its replica; a status other than 0 turns it away."""
    request = requests[q]
    if request.pool < 0:
        return _NO_POOL
    r = choose(pools, replicas, requests, counts, nodes, choices, q, rule, threshold)
    p = replicas[r].pool if r >= 0 else -1 - r
    pool = pools[p]
    if not fit(pool, request):
        return _TOO_LONG
    request.pool = p
    if handovers is not None:
        handovers[q].entered = p
    if r < 0:
        hold(pool, requests, q)
        return _UNFINISHED
    if 0 < pool.queue_limit <= replicas[r].waiting and request.restarts == 0:
        return _QUEUE_FULL
    join(pools, replicas, requests, heap, phases, times, counts, nodes, handovers, r, q, now)
    return _UNFINISHED


@_inlined
def join(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    handovers: Any,
    r: int,
    q: int,
    now: float,
) -> None:
    """Start request q on an idle replica, or let it wait at a busy one."""
    replica = replicas[r]
    pool = pools[replica.pool]
    requests[q].replica = r
    count(counts, pool, r, 1)
    if replica.active == 0 and can_start(pool, replica, requests[q]):
        admit(pool, replicas, requests, heap, phases, nodes, handovers, r, q, 0, now)
        _tree_set(times, r, begin_epoch(pool, replica, requests, heap, phases, 0, now))
        return
    insert_waiting(replica, requests, q)
    pool.waiting += 1
    if replica.queue_head == q and replica.active > 0:
        plan_admission(pool, replica, requests, phases, now)
        _tree_set(times, r, next_event(pool, replica, requests, heap))


@_compiled
def can_start(pool: Any, replica: Any, request: Any) -> bool:
    """Whether an idle replica takes a request at once; KV that it still sends may leave no room."""
    if pool.role != _PREFILL:
        return True
    return replica.queue_head < 0 and has_room(pool, replica, request, 0)
