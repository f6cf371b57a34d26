"""The running batch of a replica: who joins it, what an iteration does, who leaves."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.kernel import epochs
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.decodes import add_decode, first_end, take_first
from fleetopt.simulation.kernel.prefills import join_prefills
from fleetopt.simulation.records import Engine
from fleetopt.simulation.state import State

_INF = math.inf


@compiled
def blocks_of(engine: Engine, request: Any) -> int:
    """KV blocks that a request takes."""
    tokens: int = request.prompt + request.output
    return (tokens + engine.block_tokens - 1) // engine.block_tokens


@compiled
def has_room(engine: Engine, slots: int, replica: Any, request: Any) -> bool:
    """Whether a request can join the batch."""
    if replica.active >= slots:
        return False
    if engine.kv_blocks == 0:
        return True
    held: int = replica.blocks
    return held + blocks_of(engine, request) <= engine.kv_blocks


@compiled
def admit(engine: Engine, replica: Any, requests: Any, q: int, i: int, now: float) -> None:
    """Put request q into the batch of a replica whose next iteration is number i."""
    request = requests[q]
    request.admitted_s = now
    replica.active += 1
    if engine.kv_blocks > 0:
        replica.blocks += blocks_of(engine, request)
    if engine.current == 1:
        request.prefill = request.prompt
    else:
        replica.context += request.prompt + request.output
        chunks = (request.prompt + engine.chunk_tokens - 1) // engine.chunk_tokens
        request.prefill = i + chunks
    join_prefills(engine, replica, requests, q)


@inlined
def begin_epoch(engine: Engine, state: State, replica: Any, i: int, now: float) -> float:
    """Start an epoch at iteration i; the time of its next event."""
    epochs.start(engine, replica, state.requests, i, now)
    if replica.active == 0:
        return _INF
    return next_event(engine, state, replica)


@inlined
def next_event(engine: Engine, state: State, replica: Any) -> float:
    """Time of the next iteration end at which the replica changes."""
    at = next_iteration(engine, state, replica)
    return epochs.end_of(replica, at - replica.epoch_iteration)


@inlined
def next_iteration(engine: Engine, state: State, replica: Any) -> int:
    """Number of the next iteration before which the replica changes."""
    return epochs.next_change(engine, replica, state.requests, state.heap, replica.admit_at)


@inlined
def end_prefills(engine: Engine, state: State, replica: Any, i: int, now: float) -> None:
    """Sequences whose prefill ends with iteration i - 1 begin to decode."""
    before = -1
    q = replica.prefill_head
    while q >= 0:
        request = state.requests[q]
        after = request.next
        if engine.current == 1:
            request.prefill -= request.share
        elif request.prefill > i:
            break
        if engine.current == 1 and request.prefill > 0:
            before = q
        else:
            request.prefill_end_s = now
            add_decode(state.heap, replica, q, i + request.output)
            if before < 0:
                replica.prefill_head = after
            else:
                state.requests[before].next = after
        q = after


@inlined
def end_decodes(engine: Engine, state: State, replica: Any, i: int, now: float) -> int:
    """Sequences whose last token comes with iteration i - 1 leave; how many."""
    left = 0
    while replica.decoding > 0 and first_end(state.heap, replica) == i:
        request = state.requests[take_first(state.heap, replica)]
        request.end_s = now
        replica.active -= 1
        replica.context -= request.prompt + request.output
        if engine.kv_blocks > 0:
            replica.blocks -= blocks_of(engine, request)
        left += 1
    return left
