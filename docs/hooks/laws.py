"""How long a simulation runs, from the simulator's own constants."""

from __future__ import annotations

from fleetopt import verification
from fleetopt.simulation import pool


def horizon() -> str:
    """The parts of a replication."""
    rows = [
        ("warm-up", _residences(pool.WARMUP_RESIDENCES)),
        (
            "measured time",
            f"{_residences(pool.RESIDENCES)}, or as long as {pool.ENOUGH_REQUESTS:,} requests "
            f"take if that is less; at least {_residences(pool.LEAST_RESIDENCES)} and "
            f"{pool.MIN_REQUESTS:,} requests",
        ),
        ("arrivals after it", _residences(pool.COOLDOWN_RESIDENCES)),
        ("draining, at most", _residences(pool.RESIDENCES)),
        ("too short below", _residences(verification.SHORTEST_RESIDENCES)),
    ]
    lines = ["| part | length |", "| --- | --- |", *(f"| {part} | {how} |" for part, how in rows)]
    return "\n".join(lines)


def _residences(count: float) -> str:
    return f"{count:g} longest residence{'' if count == 1 else 's'}"
