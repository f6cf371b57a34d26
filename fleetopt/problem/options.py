"""How a plan is simulated, and how its program is solved."""

from __future__ import annotations

from pydantic import Field

from fleetopt.problem.faults import Stated


class VerificationOptions(Stated):
    """How the plan is simulated."""

    enabled: bool = True
    """Whether the plan is simulated before it is accepted."""
    top: int = Field(default=3, ge=1, le=20)
    """How many of the best fleets are simulated."""
    requests: int | None = Field(default=None, ge=100)
    """Measured requests of a pool and replication; by the horizon law if absent."""
    replications: int = Field(default=8, ge=2, le=1024)
    """Replications of the first stage; they double while a verdict is open."""
    seed: int = Field(default=1, ge=0)
    """Seed of the random numbers; the same seed gives the same answer."""


class SolverOptions(Stated):
    """Which solver, and when it may stop."""

    name: str = Field(default="highs", pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")
    """HiGHS, or another solver that is installed, by its name in Pyomo."""

    time_limit_s: float = Field(default=60.0, gt=0)
    """Seconds for one solve."""
    relative_gap: float = Field(default=0.0, ge=0, lt=1)
    """Relative distance to the bound at which the solver may stop."""
    node_limit: int | None = Field(default=None, ge=0, le=2_147_483_647)
    """Most nodes of the search tree in one solve; 0 allows no search at all."""
    threads: int = Field(default=1, ge=0, le=1024)
    """Threads of the solver; 0 leaves the number to it."""
    seed: int = Field(default=0, ge=0, le=2_147_483_647)
    """Seed of the solver's own random numbers."""
