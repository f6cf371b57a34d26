"""Limits of a pool that change over time: slots, and replicas that take requests."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.kernel.batch import next_event
from fleetopt.simulation.kernel.compiling import compiled
from fleetopt.simulation.kernel.queue import add_count, plan_admission, set_time
from fleetopt.simulation.records import Engine
from fleetopt.simulation.state import State

_SHUT = 2**40
"""Sequences by which a replica that takes no requests seems to be ahead of the others."""


@compiled
def change_slots(engine: Engine, slots: int, state: State, now: float) -> None:
    """Plan the next admissions of busy replicas anew under another limit."""
    for r in range(state.replicas.size):
        replica: Any = state.replicas[r]
        if replica.active > 0:
            plan_admission(engine, slots, replica, state.requests, now)
            set_time(state, r, next_event(engine, state, replica))


@compiled
def change_replicas(state: State, before: int, after: int) -> None:
    """Let the first `after` replicas take requests, where the first `before` did."""
    moved = _SHUT if after < before else -_SHUT
    for r in range(min(before, after), max(before, after)):
        add_count(state, r, moved)
