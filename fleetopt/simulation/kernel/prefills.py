"""The sequences of a replica that prefill: who joins them, and what an iteration gives each."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.kernel.compiling import compiled
from fleetopt.simulation.state import NEVER


@compiled
def join_prefills(engine: Any, replica: Any, requests: Any, q: int) -> None:
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


@compiled
def plan_prefill(engine: Any, replica: Any, requests: Any) -> int:
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
