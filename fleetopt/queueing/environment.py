"""Slow environments: a two-class Markov chain for pools that rare long requests block.

Where a few very long requests hold slots for minutes, the mean context of the plain table
hides an environment that changes slowly. The chain keeps it: level m sequences in system,
phase k long ones (L > hi / 2) in service, s = min(m, c),

    tau(m, k) = W + h (L_rest max(s - k, N - k) + k L_long) / N,

rest sequences leave at rate (s - k) / (tau v_rest), long ones at k / (tau v_long), and
above c a freed slot takes a long request with its share of the arrivals. It is a
quasi-birth-death process (Latouche and Ramaswami 1999, chapters 6 and 12): the levels up
to c are eliminated forward, the levels above are matrix-geometric. Where the long requests
slow the pool but never block it, the rest settle beside each phase k, and k alone is a
birth-death chain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.latency import StateMix, binned
from fleetopt.queueing.load import Load, Moments
from fleetopt.queueing.occupancy import Occupancy, occupancy
from fleetopt.workload.lengths import Floats, Ints

MAX_SLOTS = 1024
"""Pools with more slots average their long requests out."""
MAX_CELLS = 2**22
"""Most levels times phases squared: 32 MB to eliminate."""

_NEGLIGIBLE = 1e-9
_FAINT = 1e-12
"""Weight of a wait below which it is left out, so that the groups of waits span what counts."""
_REACHES = ((4.0, 6.0), (5.0, 8.0), (7.0, 10.0))
"""How far phases reach; a nearer one is enough where its last phase is never seen."""
_UNSEEN = 1e-8
"""Probability of a phase that no percentile feels."""
_UNVISITED = 1e-5
"""Probability by the mean context below which the lowest levels are left out."""
_SLOW = 8.0
"""Work of a long request, in works of the rest, from which it is part of the environment."""
_WAIT_BINS = 96
_BLOCKING = 1e-5
"""Overload probability below which the rest are taken to settle beside every phase."""
_BINS_BY_PHASE = 16
_GROUPS = 16
_MOST_WAITING = 2**24


@dataclass(frozen=True, eq=False)
class Environment:
    """The two-class chain of one pool.

    base_s, per_token_s: W and h of a replica.
    reach: phases are kept up to so many standard deviations above E[k], and so many more.
    """

    load: Load
    base_s: float
    per_token_s: float
    replicas: int
    slots: int
    reach: tuple[float, float] = _REACHES[-1]

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
        if not self.is_stable:
            raise ValueError("the pool is overloaded: the chain has no stationary distribution")
        with one_blas_thread():
            return self._stationary(first_level)

    def _stationary(self, first_level: int) -> tuple[Floats, Floats]:
        rate = self.load.arrival_rate
        rests, longs = self.departures(np.arange(first_level, self.full + 1.0))
        leave = rate + rests + longs
        leave[0] = rate
        down = self._down_above(rests[-1], longs[-1])
        above = _rate_matrix(rate * np.eye(self.phases), -np.diag(leave[-1]), down)
        levels = self._levels(rests, longs, leave, above @ down)
        waiting = np.linalg.solve((np.eye(self.phases) - above).T, levels[-1])
        table: Floats = levels / (levels[:-1].sum() + waiting.sum())
        return table, above

    def _levels(self, rests: Floats, longs: Floats, leave: Floats, back_down: Floats) -> Floats:
        """Rows of the stationary distribution, up to a factor: elimination from the lowest.

        back_down: rates at which the highest level is left upwards and reached again.
        Matrices stand transposed: a step is what a level passes down, over the level above it.
        Rows are scaled as they come, for they span more than the range of floating point.
        """
        arrive = self.load.arrival_rate * self._join.T
        down, inside = np.zeros((2, self.phases, self.phases))
        stay, fall = np.einsum("ii->i", down), np.einsum("ii->i", down[:-1, 1:])
        diagonal = np.einsum("ii->i", inside)
        diagonal[:] = leave[0]
        back: list[Floats] = []
        for level in range(1, len(rests)):
            stay[:] = rests[level]
            fall[:] = longs[level, 1:]
            step = np.asarray(np.linalg.solve(inside, down), dtype=np.float64)
            back.append(step)
            np.matmul(arrive, step, out=inside)
            np.negative(inside, out=inside)
            diagonal += leave[level]
        rows = [np.maximum(_null_vector(back_down - inside.T), 0.0)]
        logs = [0.0]
        for step in reversed(back):
            row = np.maximum(step @ rows[-1], 0.0)
            total = float(row.sum())
            rows.append(row / total)
            logs.append(logs[-1] + math.log(total))
        scales: Floats = np.exp(np.array(logs) - max(logs))
        table: Floats = (scales[:, None] * np.array(rows))[::-1]
        return table

    @cached_property
    def is_stable(self) -> bool:
        """Whether the levels above c drift down (Neuts 1981, theorem 1.7.1)."""
        rests, longs = (row[0] for row in self.departures(np.array([float(self.full)])))
        with one_blas_thread():
            phase = _null_vector(self._down_above(rests, longs) - np.diag(rests + longs))
        return bool(self.load.arrival_rate < phase @ (rests + longs))

    def states(self, plain: Occupancy) -> StateMix:
        """What an arrival finds; in the place of `latency.states_of`.

        plain: the occupancy at the mean context.
        """
        return self._blocked(plain) if self.blocks else self._unblocked()

    @property
    def blocks(self) -> bool:
        """Whether the long requests ever take so many slots that others have to wait."""
        return self.overload_probability() > _BLOCKING

    def _unblocked(self) -> StateMix:
        """Occupancy by phase where nobody waits: the rest settles while k stays as it is.

        Phases are born with long arrivals and die at k / (tau_k v_long), with tau_k at the
        mean occupancy beside k long requests.
        """
        rest, long = self.load.classes
        h, n = self.per_token_s, self.replicas
        offered = self.load.arrival_rate * rest.share * rest.mean_work
        columns: list[list[Floats]] = []
        log_odds: list[float] = []
        for k in range(self.phases):
            base_s = self.base_s + h * long.context.mean * k / n
            beside = occupancy(offered, base_s, h * rest.context.mean, n, self.slots)
            if not beside.is_stable:
                break  # as unlikely as `blocks` says
            tau = base_s + h * rest.context.mean * max(beside.mean() / n, 1.0)
            born = self.load.arrival_rate * long.share * tau * long.mean_work
            log_odds.append(log_odds[-1] + math.log(born / k) if k else 0.0)
            if log_odds[-1] < max(log_odds) + math.log(_NEGLIGIBLE):
                break
            active, weights = binned(beside.states, beside.probabilities, _BINS_BY_PHASE)
            phase = np.full(active.size, k, dtype=np.int64)
            columns.append(self._mix(active + k, phase, weights, np.zeros(active.size)))
        odds = np.exp(np.array(log_odds[: len(columns)]) - max(log_odds))
        for column, weight in zip(columns, odds / odds.sum(), strict=True):
            column[1] = column[1] * weight
        joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
        kept = joined[1] > _NEGLIGIBLE
        return _state_mix(_grouped([values[kept] for values in joined]))

    def _blocked(self, plain: Occupancy) -> StateMix:
        """States of the chain, those in which an arrival waits with their waits."""
        likely = plain.states[plain.probabilities > _UNVISITED]
        first = int(likely[0]) if likely.size else 0
        for reach in _REACHES:
            near = replace(self, reach=reach)
            if near.phases < self.phases and near.is_stable:
                table, rate = near.stationary(first)
                if table[:, -1].sum() < _UNSEEN:
                    return near.mixed(table, rate)
        return self.mixed(*self.stationary(first))

    def mixed(self, table: Floats, rate: Floats) -> StateMix:
        """What an arrival finds under a stationary distribution; waits where it has to wait."""
        free = table[:-1]
        m, k = np.nonzero(free > _NEGLIGIBLE)
        inside = self._mix(m + self.full + 1 - len(table), k, free[m, k], np.zeros(m.size))
        weights, phases, waits = self._waiting(table[-1], rate)
        seen = weights > _FAINT
        weights, phases, waits = weights[seen], phases[seen], waits[seen]
        outside = self._mix(np.full(phases.size, self.full), phases, weights, waits)
        whole = [
            np.concatenate(pair) for pair in zip(_grouped(inside), _grouped(outside), strict=True)
        ]
        return _state_mix(whole)

    def _waiting(self, at_full: Floats, rate: Floats) -> tuple[Floats, Ints, Floats]:
        """Weights, phases and waits of the levels from c on: j + 1 departures are ahead.

        Levels far above c are summed in groups whose width doubles.
        """
        rests, longs = self.departures(np.array([float(self.full)]))
        leave = (rests + longs)[0]
        rows, ahead = [], []
        power, total = rate, np.eye(self.phases)
        row, level, width = at_full, 0, 1
        while level == 0 or (row.sum() > _NEGLIGIBLE and level < _MOST_WAITING):
            for _ in range(_GROUPS):
                rows.append(row @ total)
                ahead.append(level + 0.5 * (width + 1))
                row = row @ power
                level += width
            total = total + power @ total
            power = power @ power
            width *= 2
        phases = np.tile(np.arange(self.phases), len(rows))
        return np.concatenate(rows), phases, (np.array(ahead)[:, None] / leave).ravel()

    def _mix(self, active: Ints | Floats, k: Ints, weights: Floats, waits: Floats) -> list[Floats]:
        """Columns of a StateMix for states with k long sequences among `active`."""
        rest, long = self.load.classes
        share = np.where(active > 0, k / np.maximum(active, 1), 0.0)
        pairs = zip(rest.context.raw(), long.context.raw(), strict=True)
        raw = [(1 - share) * of_rest + share * of_long for of_rest, of_long in pairs]
        return [active.astype(np.float64), weights, *Moments.of_raw(*raw), waits]


def _state_mix(columns: list[Floats]) -> StateMix:
    active, weights, mean, variance, third, waits = columns
    moments = Moments(mean, variance, third)
    return StateMix(active, weights / weights.sum(), moments, waits, np.zeros(active.size))


def _grouped(columns: list[Floats]) -> list[Floats]:
    """Merge states of like total context, or like wait, into at most _WAIT_BINS groups."""
    active, weights, context, variance, third, waits = columns
    if active.size <= _WAIT_BINS:
        return columns
    key = np.log(waits) if waits.any() else active * context
    cells = np.floor((key - key.min()) / max(float(np.ptp(key)), 1e-300) * (_WAIT_BINS - 1))
    order = np.argsort(cells, kind="stable")
    starts = np.concatenate(([0], np.nonzero(np.diff(cells[order]))[0] + 1))
    mass = np.add.reduceat(weights[order], starts)
    kept = mass > 0
    means = [
        np.add.reduceat((values * weights)[order], starts)[kept] / mass[kept]
        for values in (active, context, variance, third, waits)
    ]
    return [means[0], mass[kept], *means[1:]]


def _rate_matrix(up: Floats, local: Floats, down: Floats) -> Floats:
    """R of a homogeneous quasi-birth-death process by logarithmic reduction."""
    inverse = np.linalg.inv(-local)
    high, low = inverse @ up, inverse @ down
    first_passage, climb = low.copy(), high.copy()
    for _ in range(64):
        both = high @ low + low @ high
        inverse = np.linalg.inv(np.eye(len(both)) - both)
        high, low = inverse @ (high @ high), inverse @ (low @ low)
        first_passage += climb @ low
        climb = climb @ high
        if np.abs(1.0 - first_passage.sum(axis=1)).max() < 1e-12 or climb.max() < 1e-16:
            break
    rate: Floats = up @ np.linalg.inv(-(local + up @ first_passage))
    return rate


def _null_vector(generator: Floats) -> Floats:
    """A probability vector x with x generator = 0."""
    system = generator.T.copy()
    system[-1] = 1.0
    right = np.zeros(len(system))
    right[-1] = 1.0
    vector: Floats = np.linalg.solve(system, right).astype(np.float64)
    return vector
