"""The least pool on one GPU that the simulator accepts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fleetopt.plan import PoolVerification
from fleetopt.questions.two_pools import PoolSize, Sizes
from fleetopt.verification import Verifier
from fleetopt.verification.verifier import FRESH

MOST_MORE = 24
"""Replicas above the table's number that are tried before a pool is given up."""


@dataclass(frozen=True)
class Accepted:
    """A pool as it was simulated last.

    said: on these replicas; with fresh seeds if they were accepted.
    fewer: on one replica less, if that was simulated and refused; binds: else why the table
        refuses it.
    """

    replicas: int
    said: PoolVerification
    fewer: PoolVerification | None
    binds: str

    @property
    def is_accepted(self) -> bool:
        """Whether the simulator accepts it."""
        return self.said.verdict == "pass"


def accepted(judge: Verifier, sizes: Sizes, pool: PoolSize) -> Accepted:
    """The least replicas that pass twice, from those that the table does not rule out.

    A pool of the published method, and one that keeps the bound on no number of replicas by
    its table, is simulated as it is.
    """
    table = sizes.table(pool.what, pool.gpu)
    least = table.min_replicas(grey=True)
    if sizes.case.problem.method == "published" or least is None:
        said = judge.verdict(pool.judged())
        return Accepted(pool.replicas, said, None, table.binding(pool.replicas))
    fewer = None
    for replicas in range(least, least + MOST_MORE + 1):
        asked = replace(pool.judged(), replicas=replicas)
        said = judge.verdict(asked)
        if said.verdict == "pass":
            said = judge.verdict(asked, FRESH)
        if said.verdict == "pass":
            break
        if replicas < least + MOST_MORE:
            fewer = said
    return Accepted(replicas, said, fewer, table.binding(replicas))
