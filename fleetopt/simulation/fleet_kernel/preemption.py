"""Sequences that lose their KV to older ones, and come back to the queue."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_kernel.kv import blocks
from fleetopt.simulation.fleet_kernel.queue import insert_waiting
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel import heaps
from fleetopt.simulation.kernel.compiling import compiled
from fleetopt.simulation.kernel.decodes import end_of_entry, request_of_entry


@compiled
def preempt_youngest(fleet: FleetState, linked: Any, pool: Any, replica: Any, i: int) -> None:
    """Send the sequence that arrived last back to the queue; it keeps its tokens, not its KV."""
    place, decodes = youngest_decode(fleet, replica)
    before, prefills = youngest_prefill(fleet.requests, replica)
    victim = max(decodes, prefills)
    request = fleet.requests[victim]
    if decodes > prefills:
        held = stop_decode(fleet, pool, replica, request, place, i)
    else:
        held = stop_prefill(fleet.requests, pool, replica, request, before, i)
    replica.blocks -= blocks(pool, request.prompt + request.kept + 1)
    replica.context -= held if pool.current == 1 else request.prompt + request.output
    replica.active -= 1
    replica.preemptions += 1
    replica.lost_tokens += held
    request.preemptions += 1
    if linked is not None:
        linked.handovers[victim].has_kv = 0
    insert_waiting(replica, fleet.requests, victim)
    pool.active -= 1
    pool.waiting += 1


@compiled
def youngest_decode(fleet: FleetState, replica: Any) -> tuple[int, int]:
    """Where the decoding sequence that arrived last stands in the heap, and its request; -1."""
    place = youngest = -1
    for j in range(replica.decoding):
        q = request_of_entry(fleet.heap[replica.heap + j])
        if q > youngest:
            place, youngest = j, q
    return place, youngest


@compiled
def youngest_prefill(requests: Any, replica: Any) -> tuple[int, int]:
    """The prefilling sequence that arrived last, after the one before it in their list; -1."""
    before = youngest = last = -1
    q = replica.prefill_head
    while q >= 0:
        if q > youngest:
            before, youngest = last, q
        last, q = q, requests[q].next
    return before, youngest


@compiled
def stop_decode(
    fleet: FleetState, pool: Any, replica: Any, request: Any, place: int, i: int
) -> int:
    """Take the sequence at a place of the heap out of the batch; the tokens that it held."""
    end = end_of_entry(fleet.heap[replica.heap + place])
    request.kept = request.output - (end - i)
    phase = (end - request.output - request.prompt) % pool.block_tokens
    fleet.phases[replica.phase + phase] -= 1
    heaps.remove(fleet.heap, replica.heap, replica.decoding, place)
    replica.decoding -= 1
    held: int = request.prompt + request.kept
    return held


@compiled
def stop_prefill(requests: Any, pool: Any, replica: Any, request: Any, before: int, i: int) -> int:
    """Take a prefilling sequence out of the batch; the tokens that it held."""
    if before < 0:
        replica.prefill_head = request.next
    else:
        requests[before].next = request.next
    return held_tokens(pool, request, i)


@compiled
def held_tokens(pool: Any, request: Any, i: int) -> int:
    """Tokens that a prefilling sequence holds before iteration i."""
    if pool.current == 1:
        left: int = request.prefill
        return request.prompt + request.kept - left
    left = request.prompt + request.kept - request.begun
    chunks = (left + pool.chunk_tokens - 1) // pool.chunk_tokens - (request.prefill - i)
    begun: int = request.begun
    return begun + chunks * pool.chunk_tokens
