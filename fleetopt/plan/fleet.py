"""The fleet of a plan and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.problem.phases import Phase
from fleetopt.problem.times import HOURS_PER_YEAR as HOURS_PER_YEAR

CLOSED = {"extra": "forbid"}
"""How results are read back: a key that is not known is a fault."""


@dataclass(frozen=True)
class Pool:
    """n identical replicas that serve total lengths in (lo_tokens, hi_tokens].

    lo_tokens, hi_tokens: range of total lengths; hi_tokens is the context window too.
    gpu, profile: short name of the GPU type, and name of the profile.
    replicas: those that must be up for the predictions to hold.
    gpus: of all replicas that are bought, spare ones included.
    slots: sequences in the running batch of one replica, as the table counts them.
    admission: "reserved" or "paged".
    compression: requests of up to this multiple of `hi_tokens` are compressed into this pool,
        the problem's share of them; 1.0 is none.
    arrival_rate: requests per second that the pool receives.
    spare_replicas: bought beyond `replicas`, because some are down at times.
    phase: "prefill" or "decode", where another pool does the other one; null for both.
    partner, link: name of that pool, and in words how KV goes; empty for both phases.
    """

    name: str
    lo_tokens: int
    hi_tokens: int
    gpu: str
    profile: str
    replicas: int
    gpus: int
    slots: int
    admission: str
    compression: float
    arrival_rate: float
    spare_replicas: int = 0
    phase: Phase | None = None
    partner: str = ""
    link: str = ""
    __pydantic_config__ = CLOSED

    @property
    def bought(self) -> int:
        """Replicas that are paid for."""
        return self.replicas + self.spare_replicas


@dataclass(frozen=True)
class Fleet:
    """Pools and the router in front of them.

    router: how requests find their pool; "length" sends each to the range of its length.
    """

    router: str
    pools: tuple[Pool, ...]
    __pydantic_config__ = CLOSED

    @property
    def gpus(self) -> int:
        """GPUs of all pools."""
        return sum(pool.gpus for pool in self.pools)

    @property
    def gammas(self) -> tuple[tuple[float, float], ...]:
        """For each pool what is compressed into the one below it, and into itself."""
        below = {pool.hi_tokens: pool.compression for pool in self.pools}
        return tuple((below.get(pool.lo_tokens, 1.0), pool.compression) for pool in self.pools)


@dataclass(frozen=True)
class Cost:
    """Price of the fleet; a year is 8760 h."""

    usd_per_hour: float
    usd_per_year: float
    __pydantic_config__ = CLOSED

    @classmethod
    def hourly(cls, usd_per_hour: float) -> Cost:
        """The cost of a fleet from its price per hour."""
        return cls(usd_per_hour, usd_per_hour * HOURS_PER_YEAR)
