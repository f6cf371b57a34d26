"""How long the simulator watches a fleet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Runs:
    """How long to watch: measured requests of a replication, replications, and their seed.

    requests: by the longest residence if absent.
    """

    requests: int | None = None
    replications: int = 8
    seed: int = 42
