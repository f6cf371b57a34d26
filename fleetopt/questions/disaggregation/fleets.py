"""Fleets that the question compares: both phases apart, and pools that do both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetopt.performance.profile import ReplicaProfile
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.queueing.published_phases import ALPHA_DECODE, ALPHA_PREFILL, PhaseLoad


@dataclass(frozen=True)
class Apart:
    """Replicas of both phases.

    prefill_rate, decode_rate: requests per second of one replica with every slot busy.
    """

    n_prefill: int
    n_decode: int
    gpus: int
    usd_per_year: float
    prefill_rate: float
    decode_rate: float

    @property
    def rate(self) -> float:
        """Requests per second of the slower phase."""
        return min(self.n_prefill * self.prefill_rate, self.n_decode * self.decode_rate)


@dataclass(frozen=True)
class Pair:
    """A GPU for each phase. misses: why no counts keep the SLO; empty if they do."""

    prefill: str
    decode: str
    ttft_ms: float
    tpot_ms: float
    published: Apart
    corrected: Apart
    misses: str

    @property
    def config(self) -> str:
        """Such as 'h100P+a100D'."""
        return f"{self.prefill}P+{self.decode}D"


@dataclass(frozen=True)
class Together:
    """One pool that does both phases. tpot_ms: None where the method does not predict it."""

    gpus: int
    usd_per_year: float
    ttft_ms: float
    tpot_ms: float | None


@dataclass(frozen=True)
class Aggregated:
    """One pool of a GPU by the published method and by fleetopt's table.

    corrected: None if no number of replicas keeps the SLO.
    """

    gpu: str
    published: Together
    corrected: Together | None

    @property
    def config(self) -> str:
        """Such as 'all-h100 aggregated'."""
        return f"all-{self.gpu} aggregated"


def fewest(
    profiles: tuple[ReplicaProfile, ReplicaProfile],
    loads: tuple[PhaseLoad, PhaseLoad],
    max_context: int,
    rate: float,
) -> Apart:
    """The fewest prefill and decode replicas that each serve a rate when full."""
    rates = [
        load.rate(profile.iteration, profile.reserved(max_context).slots, alpha)
        for profile, load, alpha in zip(profiles, loads, (ALPHA_PREFILL, ALPHA_DECODE), strict=True)
    ]
    counts = [max(1, math.ceil(rate / each)) for each in rates]
    both = list(zip(counts, profiles, strict=True))
    return Apart(
        n_prefill=counts[0],
        n_decode=counts[1],
        gpus=sum(n * profile.gpus_per_replica for n, profile in both),
        usd_per_year=HOURS_PER_YEAR * sum(n * profile.usd_per_hour for n, profile in both),
        prefill_rate=rates[0],
        decode_rate=rates[1],
    )
