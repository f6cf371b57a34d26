"""The rules by which a request finds its replica."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.counts import count_of, emptiest_of, least_count
from fleetopt.simulation.fleet_kernel.kv import hit_tokens
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import Rule
from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import compiled, inlined
from fleetopt.simulation.state import NEVER

_INF = math.inf
_FEWEST = int(Rule.FEWEST)
_TWO_CHOICES = int(Rule.TWO_CHOICES)
_SPILLOVER = int(Rule.SPILLOVER)
_PREFIX = int(Rule.PREFIX)
_DECODE = int(Role.DECODE)


@inlined
def choose(fleet: FleetState, q: int) -> int:
    """The replica for request q, or -1 - p if it has to wait for pool p to come up."""
    request = fleet.requests[q]
    if fleet.rule == _TWO_CHOICES:
        r = emptier(fleet, fleet.choices[q, 0], fleet.choices[q, 1])
        if fleet.replicas[r].is_down == 0:
            return r
    p = choose_pool(fleet, request)
    pool = fleet.pools[p]
    if pool.up == 0:
        return -1 - p
    if fleet.rule == _PREFIX:
        return best_prefix(fleet, request)
    return emptiest_of(fleet, pool)


@compiled
def emptier(fleet: FleetState, one: int, other: int) -> int:
    """The one of two replicas with fewer sequences; the first if they are equal."""
    return other if sequences_of(fleet, other) < sequences_of(fleet, one) else one


@inlined
def choose_pool(fleet: FleetState, request: Any) -> int:
    """The pool for a request."""
    p: int = request.pool
    if fleet.rule in (_TWO_CHOICES, _FEWEST):
        best = fewest_pool(fleet, request)
        return best if best >= 0 else p
    if fleet.rule == _SPILLOVER:
        return less_pressed(fleet, p)
    return p


@compiled
def less_pressed(fleet: FleetState, p: int) -> int:
    """Pool p, or the one that it flows over to if that is less pressed."""
    pressure = pressure_of(fleet.pools[p])
    over: int = fleet.pools[p].overflow
    if over >= 0 and pressure > fleet.threshold and pressure_of(fleet.pools[over]) < pressure:
        return over
    return p


@compiled
def pressure_of(pool: Any) -> float:
    """Sequences of a pool over those that it should have; infinite if it is down."""
    if pool.up == 0:
        return _INF
    return (pool.waiting + pool.active) / (pool.up * pool.pressure_sequences)


@compiled
def fewest_pool(fleet: FleetState, request: Any) -> int:
    """Among the pools that fit, the one whose emptiest replica has the fewest sequences."""
    best = -1
    least: Any = NEVER
    for p in range(fleet.pools.size):
        pool = fleet.pools[p]
        count = least_count(fleet, pool)
        fits = pool.max_context >= request.needs and pool.role != _DECODE
        if fits and count < least:
            best = p
            least = count
    return best


@compiled
def sequences_of(fleet: FleetState, r: int) -> int:
    """Sequences of a replica, running and waiting."""
    return count_of(fleet, fleet.pools[fleet.replicas[r].pool], r)


@compiled
def best_prefix(fleet: FleetState, request: Any) -> int:
    """The replica that holds most of a request's prefix; the emptiest if that one is too full."""
    pool = fleet.pools[request.pool]
    emptiest = emptiest_of(fleet, pool)
    if request.prefix < 0 or pool.cache_tokens == 0:
        return emptiest
    best = emptiest
    most = 0
    for r in range(pool.first, pool.last):
        hit = hit_tokens(pool, fleet.replicas.size, fleet.nodes, r, request)
        if hit > most:
            best = r
            most = hit
    most_sequences = sequences_of(fleet, emptiest) + fleet.threshold
    if sequences_of(fleet, best) > most_sequences:
        return emptiest
    return best
