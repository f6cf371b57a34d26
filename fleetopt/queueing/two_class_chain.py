"""The two-class Markov chain of a pool: its rates, and its stationary distribution.

Level m sequences in system, phase k long ones (L > hi / 2) in service, s = min(m, c),

    tau(m, k) = W + h (L_rest max(s - k, N - k) + k L_long) / N,

rest sequences leave at rate (s - k) / (tau v_rest), long ones at k / (tau v_long), and
above c a freed slot takes a long request with its share of the arrivals. It is a
quasi-birth-death process: the levels up to c are eliminated forward, the levels above are
matrix-geometric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.load import Load
from fleetopt.queueing.quasi_birth_death import Process, null_vectors, stationary
from fleetopt.workload.lengths import Floats

REACHES = ((4.0, 6.0), (5.0, 8.0), (7.0, 10.0))
"""How far phases reach; a nearer one is enough where its last phase is never seen."""
_SLOW = 8.0
"""Work of a long request, in works of the rest, from which it is part of the environment."""


@dataclass(frozen=True, eq=False)
class TwoClassChain:
    """The two-class chain of one pool.

    base_s, per_token_s: W and h of a replica.
    reach: phases are kept up to so many standard deviations above E[k], and so many more.
    """

    load: Load
    base_s: float
    per_token_s: float
    replicas: int
    slots: int
    reach: tuple[float, float] = REACHES[-1]

    @property
    def full(self) -> int:
        """Slots of the pool, c."""
        return self.replicas * self.slots

    def departures(self, levels: Floats) -> tuple[Floats, Floats]:
        """Rates at which rest and long sequences leave, by level (rows) and phase."""
        rest, long = self.load.classes
        k = np.arange(self.phases)
        served = np.minimum(levels, self.full)[:, None]
        others = np.maximum(np.maximum(served - k, self.replicas - k), 0)
        context = (rest.context.mean * others + k * long.context.mean) / self.replicas
        tau = self.base_s + self.per_token_s * context
        return np.maximum(served - k, 0) / (tau * rest.mean_work), k / (tau * long.mean_work)

    @cached_property
    def mean_long(self) -> float:
        """Long requests in service on average, at the iteration time of a full pool."""
        _, long = self.load.classes
        tau = self.base_s + self.per_token_s * self.load.context.mean * self.slots
        return float(self.load.arrival_rate * long.share * long.mean_work * tau)

    @cached_property
    def phases(self) -> int:
        """Phases kept: k = 0 .. E[k] + 7 sqrt(E[k]) + 10, at most c; fewer by `reach`."""
        deviations, more = self.reach
        last = self.mean_long + deviations * math.sqrt(self.mean_long) + more
        return min(self.full, math.ceil(last)) + 1

    def overload_probability(self) -> float:
        """Chance that so many long requests are in service that the rest cannot be served.

        A Poisson estimate, to decide whether the chain is worth its time.
        """
        rest, _ = self.load.classes
        k = np.arange(self.phases)
        demand = self.load.arrival_rate * rest.share
        supply = self.departures(np.array([float(self.full)]))[0][0]
        logs = k * math.log(max(self.mean_long, 1e-300)) - self.mean_long
        poisson = np.exp(logs - np.concatenate(([0.0], np.cumsum(np.log(k[1:])))))
        return float(poisson[supply <= demand].sum())

    @cached_property
    def _join(self) -> Floats:
        """Phase after an arrival that finds a free slot."""
        share = self.load.classes[1].share
        join = (1.0 - share) * np.eye(self.phases) + share * np.eye(self.phases, k=1)
        join[-1, -1] = 1.0
        return join

    def slowdown(self, mean_active: float) -> float:
        """How much the long requests in service swing tau: its relative standard deviation.

        A Poisson estimate; 0 where they do not stay much longer than the rest.
        mean_active: sequences in the pool on average.
        """
        rest, long = self.load.classes
        if long.mean_work < _SLOW * rest.mean_work:
            return 0.0
        batch = max(mean_active / self.replicas, 1.0)
        tau = self.base_s + self.per_token_s * self.load.context.mean * batch
        longs = self.load.arrival_rate * long.share * long.mean_work * tau
        one_s = self.per_token_s * long.context.mean / self.replicas
        return float(one_s * math.sqrt(longs) / tau)

    def _down_above(self, rests: Floats, longs: Floats) -> Floats:
        """Rates to the level below, above c: the freed slot takes the next in line."""
        share = self.load.classes[1].share
        down = np.diag(rests * (1.0 - share) + longs * share)
        down += np.diag(longs[1:] * (1.0 - share), k=-1) + np.diag(rests[:-1] * share, k=1)
        down[-1, -1] += rests[-1] * share
        return down

    def stationary(self, first_level: int) -> tuple[Floats, Floats]:
        """Probabilities of levels first_level .. c by phase, and the rate matrix R above c.

        Levels below `first_level` are taken as empty. Raises ValueError if the chain has no
        stationary distribution.
        """
        ((table, above),) = stationary_of([(self, first_level)])
        return table, above

    def process(self, first_level: int) -> Process:
        """The chain as a quasi-birth-death process; raises ValueError if it is overloaded."""
        if not self.is_stable:
            raise ValueError("the pool is overloaded: the chain has no stationary distribution")
        rate = self.load.arrival_rate
        rests, longs = self.departures(np.arange(first_level, self.full + 1.0))
        leave = rate + rests + longs
        leave[0] = rate
        down = self._down_above(rests[-1], longs[-1])
        return Process(rate, rate * self._join, rests, longs, leave, down)

    @cached_property
    def is_stable(self) -> bool:
        """Whether the levels above c drift down (Neuts 1981, theorem 1.7.1)."""
        rests, longs = (row[0] for row in self.departures(np.array([float(self.full)])))
        with one_blas_thread():
            generator = self._down_above(rests, longs) - np.diag(rests + longs)
            (phase,) = null_vectors(generator[None])
        return bool(self.load.arrival_rate < phase @ (rests + longs))


def stationary_of(chains: Sequence[tuple[TwoClassChain, int]]) -> list[tuple[Floats, Floats]]:
    """The same as `stationary` of several chains with their lowest levels, solved together."""
    with one_blas_thread():
        return stationary([chain.process(first_level) for chain, first_level in chains])
