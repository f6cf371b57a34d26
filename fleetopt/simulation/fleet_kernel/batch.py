"""The running batch of a replica: who joins it, and when it changes next."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.kv import blocks_to_admit, exhaustion, hit_tokens
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel import epochs
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.decodes import add_decode
from fleetopt.simulation.kernel.prefills import join_prefills
from fleetopt.simulation.state import NEVER

_INF = math.inf
_PREFILL = int(Role.PREFILL)


@inlined
def admit(fleet: FleetState, linked: Any, pool: Any, r: int, q: int, i: int, now: float) -> None:
    """Put request q into the batch of a replica whose next iteration is number i.

    It decodes at once if its KV has come with it.
    """
    replica = fleet.replicas[r]
    request = fleet.requests[q]
    if math.isnan(request.admitted_s):
        request.admitted_s = now
    if pool.kv_blocks > 0:
        replica.blocks += blocks_to_admit(pool, request)
    replica.active += 1
    pool.active += 1
    if linked is not None and linked.handovers[q].has_kv == 1:
        total = request.prompt + request.output
        replica.context += request.prompt + request.kept if pool.current == 1 else total
        begin_decode(fleet, pool, replica, q, i)
        return
    request.begun = hit_tokens(pool, fleet.replicas.size, fleet.nodes, r, request)
    request.hit += request.begun
    left = request.prompt + request.kept - request.begun
    if pool.current == 1:
        request.prefill = left
        replica.context += request.begun
    else:
        request.prefill = i + (left + pool.chunk_tokens - 1) // pool.chunk_tokens
        replica.context += held_at_last(pool, request)
    join_prefills(pool, replica, fleet.requests, q)


@inlined
def begin_decode(fleet: FleetState, pool: Any, replica: Any, q: int, i: int) -> None:
    """Request q, whose KV is there, makes a token in each iteration from number i on."""
    request = fleet.requests[q]
    add_decode(fleet.heap, replica, q, i + request.output - request.kept)
    if pool.growth == 1:
        phase = (i - request.prompt - request.kept) % pool.block_tokens
        fleet.phases[replica.phase + phase] += 1


@compiled
def held_at_last(pool: Any, request: Any) -> int:
    """Tokens that a request holds when its pool is done with it."""
    if pool.role == _PREFILL:
        prompt: int = request.prompt
        return prompt
    total: int = request.prompt + request.output
    return total


@inlined
def begin_epoch(fleet: FleetState, pool: Any, replica: Any, i: int, now: float) -> float:
    """Start an epoch at iteration i; the time of its next event."""
    epochs.start(pool, replica, fleet.requests, i, now)
    replica.evict_at = NEVER
    if replica.active == 0:
        return _INF
    if pool.growth == 1 and replica.decoding > 0:
        until = next_iteration(fleet, pool, replica)
        replica.evict_at = exhaustion(pool, replica, fleet.phases, until)
    return next_event(fleet, pool, replica)


@inlined
def next_event(fleet: FleetState, pool: Any, replica: Any) -> float:
    """Time of the next iteration end at which the replica changes."""
    at = next_iteration(fleet, pool, replica)
    return epochs.end_of(replica, at - replica.epoch_iteration)


@inlined
def next_iteration(fleet: FleetState, pool: Any, replica: Any) -> int:
    """Number of the next iteration before which the replica changes."""
    at = min(replica.admit_at, replica.evict_at)
    return epochs.next_change(pool, replica, fleet.requests, fleet.heap, at)
