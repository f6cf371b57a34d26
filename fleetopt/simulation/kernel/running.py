"""The way into the compiled pool."""

from __future__ import annotations

from pathlib import Path

from fleetopt.simulation.kernel import compiling
from fleetopt.simulation.kernel.loop import run_events
from fleetopt.simulation.records import (
    UNLIMITED,
    Engine,
    Floats,
    PoolLimits,
    Requests,
    Trajectory,
    Window,
)
from fleetopt.simulation.state import new_state, trajectory


def run_pool(
    engine: Engine,
    replicas: int,
    requests: Requests,
    window: Window,
    checkpoint_s: Floats,
    limits: PoolLimits = UNLIMITED,
) -> Trajectory:
    """Simulate one pool; requests must be able to fit. Same result as the twin's.

    replicas: number of replicas.
    checkpoint_s: ascending times at which the backlog is read.
    limits: of the slots and the replicas, over time.
    """
    state = new_state(engine.slots, replicas, requests, checkpoint_s.size)
    run_events(engine, window, limits, checkpoint_s, state)
    return trajectory(state)


def is_compiled() -> bool:
    """Whether a compiled kernel is in the cache, so that the next run starts at once."""
    return compiling.is_cached(run_events)


compiling.drop_stale(run_events, Path(__file__).parent)
