"""Clients of a closed loop: each sends its next request when it has thought about the last."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel import heaps
from fleetopt.simulation.kernel.compiling import compiled, inlined

_INF = math.inf


@inlined
def next_arrival(fleet: FleetState, run: Any) -> float:
    """When the next request comes."""
    if run.arrived == fleet.requests.size:
        return _INF
    if fleet.clients.size == 0:
        return fleet.requests[run.arrived].arrival_s
    return next_of_both(fleet.clients, fleet.open_s, run)


@inlined
def next_of_both(clients: Any, open_s: Any, run: Any) -> float:
    """When the next request comes, from a client or beside them."""
    at = _INF
    if run.clients > 0:
        at = clients[0]
    if run.opened < open_s.size:
        at = min(at, open_s[run.opened])
    return at


@inlined
def take_next(clients: Any, open_s: Any, run: Any, now: float) -> int:
    """Take the arrival that comes now; whether a client sends it. Open ones go first."""
    if run.opened < open_s.size and open_s[run.opened] == now:
        run.opened += 1
        return 0
    heaps.pop(clients, 0, run.clients)
    run.clients -= 1
    return 1


@compiled
def client_sends(clients: Any, run: Any, think_s: Any, now: float) -> None:
    """A client's request has ended: put the time of its next one into the clients' heap."""
    wait_s = think_s[run.sent] if run.sent < think_s.size else 0.0
    heaps.push(clients, 0, run.clients, now + wait_s)
    run.clients += 1
    run.sent += 1
