"""What a pool serves when longer requests may be compressed into it.

A node (t, gamma) of a fleet's path splits the lengths at t and compresses requests of
(t, gamma t] down to t tokens: the prompt is cut, the output stays. Of the requests that can
be cut, a share p_c is; all others are served above, as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Node = tuple[int, float]
"""A place at which a path of pools may split: t in tokens, and gamma."""


@dataclass(frozen=True, slots=True)
class Served:
    """The requests of one pool: an arc from (lo_tokens, gamma_lo) to (hi_tokens, gamma_hi).

    lo_tokens, hi_tokens: its own total lengths are those in (lo, hi].
    gamma_lo: own lengths up to this multiple of lo are compressed into the pool below.
    gamma_hi: longer requests, up to this multiple of hi, are compressed into this pool.
    compressible_share: p_c, the share of the requests that can be cut and are.
    """

    lo_tokens: int
    hi_tokens: int
    gamma_lo: float = 1.0
    gamma_hi: float = 1.0
    compressible_share: float = 0.0

    @property
    def gives_up_to(self) -> int:
        """Longest own length that may be compressed into the pool below, in tokens."""
        return reach(self.lo_tokens, self.gamma_lo)

    @property
    def takes_up_to(self) -> int:
        """Longest length that is compressed into this pool, in tokens."""
        return reach(self.hi_tokens, self.gamma_hi)

    @property
    def gammas(self) -> tuple[float, float]:
        """Both factors."""
        return self.gamma_lo, self.gamma_hi

    @property
    def nodes(self) -> tuple[Node, Node]:
        """Where the pool begins and ends on a path."""
        return (self.lo_tokens, self.gamma_lo), (self.hi_tokens, self.gamma_hi)


def reach(tokens: int, gamma: float) -> int:
    """The longest whole length that is at most gamma times as long."""
    return math.floor(tokens * gamma * (1.0 + 1e-12))


def path_nodes(breakpoints: Sequence[int], gammas: Sequence[float]) -> tuple[Node, ...]:
    """Every node of a path: each inner breakpoint with each gamma, the ends with none."""
    first, *inner, last = breakpoints
    between = [(tokens, gamma) for tokens in inner for gamma in sorted(gammas)]
    return ((first, 1.0), *between, (last, 1.0))
