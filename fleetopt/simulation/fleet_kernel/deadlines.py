"""Requests that give up waiting for their first admission."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.dispatch import count
from fleetopt.simulation.fleet_kernel.queue import head_changed, remove_held, remove_waiting
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.kernel import _compiled

_INF = math.inf
_UNFINISHED = int(Status.UNFINISHED)


@_compiled
def time_out(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    handovers: Any,
    q: int,
    now: float,
) -> None:
    """Take request q out of the queue that it stands in."""
    pool = pools[requests[q].pool]
    r = requests[q].replica
    if r < 0:
        remove_held(pool, requests, q)
        return
    was_first = replicas[r].queue_head == q
    remove_waiting(replicas[r], requests, q)
    pool.waiting -= 1
    count(counts, pool, r, -1)
    if was_first:
        head_changed(pool, replicas, requests, heap, phases, times, nodes, handovers, r, now)


@_compiled
def next_deadline(requests: Any, run: Any, timeout_s: float) -> float:
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
