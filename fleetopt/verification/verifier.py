"""What the cut loops ask of a judge, at Poisson arrivals or on a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from fleetopt.case import Case
from fleetopt.performance.phase_links import KvPath
from fleetopt.plan import Interval, PoolVerification, RecordedTraffic, Verdict
from fleetopt.problem import Phase, VerificationOptions

FIRST, FRESH, AFRESH = 0, 1, 2
"""Rounds of seeds: first verdicts, the accepted plan once more, and a saved plan."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A pool to be judged: the requests in (lo, hi] on n replicas of a profile.

    gamma_lo, gamma_hi: what is compressed into the pool below, and into this one.
    phase: the one that it does; None for both. partner, partner_replicas, path: for one phase,
        profile and replicas of the pool that does the other, and the way of the KV.
    """

    lo_tokens: int
    hi_tokens: int
    profile: str
    replicas: int
    arrival_rate: float
    gamma_lo: float = 1.0
    gamma_hi: float = 1.0
    phase: Phase | None = None
    partner: str = ""
    partner_replicas: int = 0
    path: KvPath | None = None

    @property
    def whole(self) -> Judged:
        """What is simulated together: a pool of both phases itself, else the one that prefills."""
        return self.other if self.phase == "decode" else self

    @property
    def other(self) -> Judged:
        """The pool that does the other phase."""
        return replace(
            self,
            profile=self.partner,
            replicas=self.partner_replicas,
            phase="prefill" if self.phase == "decode" else "decode",
            partner=self.profile,
            partner_replicas=self.replicas,
        )


@dataclass(frozen=True)
class Together:
    """What the simulator says of the requests of all pools together.

    attained: share of them within each bound. pools: each by itself.
    """

    verdict: Verdict
    attained: tuple[Interval, ...]
    pools: tuple[PoolVerification, ...]


class Verifier(Protocol):
    """Anything that can judge the pools of a case."""

    @property
    def case(self) -> Case:
        """The case."""
        ...

    @property
    def options(self) -> VerificationOptions:
        """How it simulates."""
        ...

    @property
    def traffic(self) -> RecordedTraffic | None:
        """The trace that it judges on; None for Poisson arrivals."""
        ...

    def verdict(self, pool: Judged, seed_round: int = FIRST) -> PoolVerification:
        """What the simulator says of a pool."""
        ...

    def known(self, pool: Judged) -> PoolVerification | None:
        """A verdict given before, if there is one."""
        ...

    def together(self, pools: Sequence[Judged], seed_round: int = FIRST) -> Together:
        """What the simulator says of a fleet by the requests of all its pools."""
        ...

    def misses(self, pool: Judged) -> tuple[float, ...]:
        """Share of a pool's requests beyond each bound, over everything simulated of it."""
        ...

    def least(self, pool: Judged) -> float | None:
        """The least replicas that pass, from a pool's own upwards; None if not looked for.

        Infinite if no number passes.
        """
        ...
