"""Spare replicas: what to buy for the time that nodes are down.

A node fails with all replicas on it and is repaired; A is the share of its time that it is
up, each node by itself. Where n replicas must be up, there are two rules for the N to buy.

The rule of probability: enough are up for at least the share p of the time,

    P(U_N >= n) >= p,    U_N = s B_m + r X,    N = s m + r,

with s replicas on a node, B_m the number of m full nodes that are up, binomial with A, and X
whether the last node, which r replicas fill in part, is up. A replica on several nodes is up
with all of them.

The rule of the mean, as published: A N >= n, N = ceil(n / A). On average enough are up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fleetopt.problem import FleetProblem


ROUNDING = 1e-12
"""Relative error of n / A that is taken for rounding: 3 / 0.75 buys 4, whatever its last bit."""
EQUAL = 1e-9
"""The same of the share of the time that too few are up."""


def replicas_to_buy(replicas: int, availability: float) -> int:
    """The fewest replicas of which `replicas` are up on average, ceil(n / A).

    Raises ValueError for an availability outside (0, 1].
    """
    if not 0.0 < availability <= 1.0:
        raise ValueError("Expected an availability in (0, 1].")
    return math.ceil(replicas / availability * (1.0 - ROUNDING))


@dataclass(frozen=True, slots=True)
class SpareRule:
    """How many replicas a pool buys, so that enough are up.

    availability: share of the time that a node is up, in (0, 1].
    kind: "probability", enough are up for the share `target` of the time; or "mean", they are
        on average.
    gpus_per_node: replicas of a pool fill its nodes in order; a replica on several nodes has
        them for itself, and is up with all of them. The mean takes each replica by itself.
    Raises ValueError for shares outside their ranges.
    """

    availability: float = 1.0
    kind: Literal["probability", "mean"] = "probability"
    target: float = 0.999
    gpus_per_node: int = 8

    def __post_init__(self) -> None:
        if not 0.0 < self.availability <= 1.0:
            raise ValueError("Expected an availability in (0, 1].")
        if not 0.0 < self.target < 1.0:
            raise ValueError("Expected a target in (0, 1).")

    @classmethod
    def of(cls, problem: FleetProblem) -> SpareRule:
        """The rule that a problem states."""
        return cls(
            problem.share_up,
            problem.availability_rule,
            problem.target_share_up,
            problem.failing_gpus,
        )

    def to_buy(self, replicas: int, gpus_per_replica: int = 1) -> int:
        """The fewest replicas of which `replicas` are up often enough."""
        if self.availability == 1.0:
            return replicas
        if self.kind == "mean":
            return replicas_to_buy(replicas, self.availability)
        return _fewest(self, replicas, gpus_per_replica)

    def short_share(self, replicas: int, bought: int, gpus_per_replica: int = 1) -> float:
        """Share of the time that fewer than `replicas` of those bought are up."""
        size = max(1, self.gpus_per_node // gpus_per_replica)
        share_up = self.availability ** math.ceil(gpus_per_replica / self.gpus_per_node)
        nodes, rest = divmod(bought, size)
        without_rest = _fewer_up(math.ceil(replicas / size), nodes, share_up)
        if rest == 0:
            return without_rest
        with_rest = _fewer_up(math.ceil((replicas - rest) / size), nodes, share_up)
        return share_up * with_rest + (1.0 - share_up) * without_rest

    def suffices(self, replicas: int, bought: int, gpus_per_replica: int = 1) -> bool:
        """Whether too few are up no longer than the target leaves."""
        allowed = (1.0 - self.target) * (1.0 + EQUAL)
        return self.short_share(replicas, bought, gpus_per_replica) <= allowed


def _fewer_up(wanted: int, nodes: int, share_up: float) -> float:
    """Probability that fewer than `wanted` of the nodes are up: a tail of the binomial.

    As the complement of an incomplete beta function it is accurate where it is tiny.
    """
    if wanted <= 0:
        return 0.0
    if wanted > nodes:
        return 1.0
    from scipy.special import betaincc

    return float(betaincc(wanted, nodes - wanted + 1, share_up))


@lru_cache(maxsize=65_536)
def _fewest(rule: SpareRule, replicas: int, gpus_per_replica: int) -> int:
    """Every replica more, on the last node or on a new one, makes a shortage less likely."""
    least, enough = replicas, replicas
    while not rule.suffices(replicas, enough, gpus_per_replica):
        least, enough = enough + 1, 2 * enough
    while least < enough:
        middle = (least + enough) // 2
        if rule.suffices(replicas, middle, gpus_per_replica):
            enough = middle
        else:
            least = middle + 1
    return enough
