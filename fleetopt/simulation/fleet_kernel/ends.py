"""What an iteration ends: prefills, of which decodes or transfers come, and requests."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.batch import begin_decode
from fleetopt.simulation.fleet_kernel.handover import hand_over
from fleetopt.simulation.fleet_kernel.kv import blocks, keep_prefix
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import inlined
from fleetopt.simulation.kernel.decodes import first_end, take_first

_COMPLETED = int(Status.COMPLETED)
_TRUNCATED = int(Status.TRUNCATED)
_PREFILL = int(Role.PREFILL)


@inlined
def end_prefills(fleet: FleetState, linked: Any, pool: Any, r: int, i: int, now: float) -> None:
    """Sequences whose prefill ends with iteration i - 1 begin to decode, or go over a link."""
    replica = fleet.replicas[r]
    before = -1
    q = replica.prefill_head
    while q >= 0:
        request = fleet.requests[q]
        after = request.next
        if pool.current == 1:
            if linked is not None and request.share > 0 and math.isnan(linked.handovers[q].begun_s):
                linked.handovers[q].begun_s = replica.epoch_s
            request.prefill -= request.share
        elif request.prefill > i:
            break
        if pool.current == 1 and request.prefill > 0:
            before = q
        else:
            end_prefill(fleet, linked, pool, r, q, i, now)
            if before < 0:
                replica.prefill_head = after
            else:
                fleet.requests[before].next = after
        q = after


@inlined
def end_prefill(
    fleet: FleetState, linked: Any, pool: Any, r: int, q: int, i: int, now: float
) -> None:
    """The prefill of request q has ended with iteration i - 1."""
    request = fleet.requests[q]
    if math.isnan(request.prefill_end_s):
        request.prefill_end_s = now
    if linked is None or pool.role != _PREFILL:
        begin_decode(fleet, pool, fleet.replicas[r], q, i)
    if linked is not None and pool.role == _PREFILL:
        hand_over(fleet, linked, q, now)
    if pool.cache_tokens > 0 and request.prefix >= 0:
        node = request.prefix * fleet.replicas.size + r
        keep_prefix(pool, fleet.replicas[r], fleet.nodes, node, request.prompt)


@inlined
def end_decodes(fleet: FleetState, pool: Any, run: Any, r: int, i: int, now: float) -> int:
    """Sequences whose last token comes with iteration i - 1 leave; how many."""
    replica = fleet.replicas[r]
    left = 0
    while replica.decoding > 0 and first_end(fleet.heap, replica) == i:
        request = fleet.requests[take_first(fleet.heap, replica)]
        total = request.prompt + request.output
        request.end_s = now
        request.status = _TRUNCATED if request.output < request.asked else _COMPLETED
        replica.active -= 1
        replica.context -= total
        if pool.kv_blocks > 0:
            replica.blocks -= blocks(pool, total)
        if pool.growth == 1:
            fleet.phases[replica.phase + (i - total) % pool.block_tokens] -= 1
        if pool.cache_tokens > 0 and request.prefix >= 0:
            node = request.prefix * fleet.replicas.size + r
            keep_prefix(pool, replica, fleet.nodes, node, total)
        run.open_measured -= request.arrival_s < fleet.window.measure_end_s
        run.served += request.client
        left += 1
    pool.active -= left
    pool.completed += left
    return left
