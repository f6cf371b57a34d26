"""Epochs: stretches of iterations over which a replica's batch stays the same."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.kernel.decodes import first_end
from fleetopt.simulation.kernel.prefills import plan_prefill
from fleetopt.simulation.state import NEVER


@compiled
def elapsed(k: int, first_s: float, growth_s: float, floor_s: float) -> float:
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


@compiled
def end_of(replica: Any, k: int) -> float:
    """Time at which the k-th iteration of the epoch ends."""
    start_s: float = replica.epoch_s
    return start_s + elapsed(k, replica.first_s, replica.growth_s, replica.floor_s)


@compiled
def iterations_until(replica: Any, time_s: float) -> int:
    """Least k >= 1 such that the k-th iteration of the epoch ends at or after a time."""
    low = max(replica.first_s, replica.floor_s)
    span = time_s - replica.epoch_s
    if replica.growth_s > 0.0:
        guess = (math.sqrt(low * low + 2.0 * replica.growth_s * span) - low) / replica.growth_s
    else:
        guess = span / low
    k = max(1, int(guess))
    while end_of(replica, k) < time_s:
        k += 1
    while k > 1 and end_of(replica, k - 1) >= time_s:
        k -= 1
    return k


@inlined
def start(engine: Any, replica: Any, requests: Any, i: int, now: float) -> None:
    """Start an epoch at iteration i: how long its iterations take if the replica has a batch."""
    replica.epoch_s = now
    replica.epoch_iteration = i
    replica.admit_at = NEVER
    if replica.active == 0:
        return
    planned = 0
    if engine.current == 1:
        if replica.prefill_head >= 0:
            planned = plan_prefill(engine, replica, requests)
        replica.growth = replica.decoding + planned
    replica.first_s = engine.base_s + engine.per_context_token_s * replica.context
    replica.growth_s = engine.per_context_token_s * replica.growth
    replica.floor_s = engine.prefill_base_s + engine.prefill_per_token_s * planned


@inlined
def next_change(engine: Any, replica: Any, requests: Any, heap: Any, at: int) -> int:
    """The iteration before which a sequence ends its prefill or its decode, at the latest `at`."""
    if replica.decoding > 0:
        at = min(at, first_end(heap, replica))
    q = replica.prefill_head
    if q >= 0 and engine.current == 1:
        at = min(at, replica.epoch_iteration + 1)
    elif q >= 0:
        at = min(at, requests[q].prefill)
    return at
