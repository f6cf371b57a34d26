"""Sequences of each replica, running and waiting: a tournament tree for every pool."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_state import FleetState
from fleetopt.simulation.kernel.compiling import inlined
from fleetopt.simulation.kernel.trees import least_leaf, set_leaf


@inlined
def count_of(fleet: FleetState, pool: Any, r: int) -> int:
    """Sequences of a replica of this pool."""
    count: int = fleet.counts[pool.tree + pool.leaves + r - pool.first]
    return count


@inlined
def add_count(fleet: FleetState, pool: Any, r: int, change: int) -> None:
    """Change the sequences of a replica."""
    set_count(fleet, pool, r, count_of(fleet, pool, r) + change)


@inlined
def set_count(fleet: FleetState, pool: Any, r: int, count: int) -> None:
    """Set the sequences of a replica; NEVER keeps requests away."""
    set_leaf(fleet.counts, pool.tree, pool.leaves, r - pool.first, count)


@inlined
def least_count(fleet: FleetState, pool: Any) -> int:
    """Sequences of the pool's emptiest replica."""
    count: int = fleet.counts[pool.tree + 1]
    return count


@inlined
def emptiest_of(fleet: FleetState, pool: Any) -> int:
    """The replica of a pool with the fewest sequences."""
    first: int = pool.first
    return first + least_leaf(fleet.counts, pool.tree, pool.leaves)
