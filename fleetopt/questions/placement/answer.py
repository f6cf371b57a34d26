"""Placements, the rates that they carry, and what simulation says of them."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.plan import Interval


@dataclass(frozen=True)
class Placed:
    """Replicas of both phases, and the most requests per second of which enough are in time.

    prefill, decode: names of profiles; decode is empty where one pool does both phases.
    rate: by the tables. attained: share of the requests within both bounds in the simulator at
        that rate; None if it was not simulated.
    """

    prefill: str
    n_prefill: int
    decode: str
    n_decode: int
    gpus: int
    usd_per_hour: float
    rate: float
    attained: Interval | None = None

    @property
    def goodput(self) -> float:
        """Requests per second of one GPU."""
        return self.rate / self.gpus

    @property
    def text(self) -> str:
        """In words."""
        if not self.decode:
            return f"{self.n_prefill} {self.prefill} together"
        return f"{self.n_prefill} {self.prefill} prefill + {self.n_decode} {self.decode} decode"


@dataclass(frozen=True)
class Placement:
    """The best placement of each kind, and what the rule of AIConfigurator would take.

    attainment: share of the requests that is to keep both bounds.
    apart, together: by the tables, verified; None if no rate keeps the bounds.
    rule: the choice of the rule at the rate that the tables find for it; None if it has none.
    rule_rate: the rate that the rule promises for it.
    considered: placements with both phases apart; tried: those whose rate was computed.
    """

    attainment: float
    ttft_ms: float
    tpot_ms: float
    max_gpus: int
    apart: Placed | None
    together: Placed | None
    rule: Placed | None
    rule_rate: float
    considered: int
    tried: int
    notes: tuple[str, ...]

    @property
    def best(self) -> Placed | None:
        """The one with the larger goodput."""
        found = [placed for placed in (self.apart, self.together) if placed is not None]
        return max(found, key=lambda placed: placed.goodput, default=None)
