"""The way into the compiled fleet, and what is kept of the compiler's work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fleetopt.simulation.fleet_kernel.loop import _run
from fleetopt.simulation.fleet_records import FleetRequests, FleetTrajectory, PoolEngine, Setting
from fleetopt.simulation.fleet_state import fleet_trajectory, new_fleet


def run_fleet(
    pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting
) -> FleetTrajectory:
    """Simulate a fleet. Same result as the twin's.

    Raises ValueError if there is no pool, a pool has no replica, or arrivals are not in order.
    """
    state = new_fleet(pools, requests, setting)
    limits = setting.limits
    _run(
        setting.window,
        setting.checkpoint_s,
        int(setting.rule),
        float(setting.threshold),
        float(limits.timeout_s),
        int(limits.events),
        int(limits.stop_early),
        int(limits.least_marks),
        *(state if setting.links else state.without_links()),
    )
    return fleet_trajectory(state)


def is_compiled() -> bool:
    """Whether a compiled kernel is in the cache, so that the next run starts at once."""
    return any(_cached("loop._run*.nbi"))


def _cached(pattern: str) -> list[Path]:
    folder = _run.stats.cache_path  # type: ignore[attr-defined]
    return list(Path(folder).glob(pattern)) if folder else []


def _drop_stale() -> None:
    """Drop what was compiled before any of the sources changed.

    A function is compiled together with those that it calls from other files, and numba
    only looks at its own.
    """
    here = Path(__file__).parent
    sources = [*here.glob("*.py"), here.parent / "kernel.py"]
    newest = max(source.stat().st_mtime for source in sources)
    for cached in _cached("*.nbi"):
        if cached.stat().st_mtime < newest:
            cached.unlink(missing_ok=True)


_drop_stale()
