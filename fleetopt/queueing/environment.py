"""Slow environments: a two-class Markov chain for pools that rare long requests block.

Where a few very long requests hold slots for minutes, the mean context of the plain table
hides an environment that changes slowly. The chain keeps it, and says in which states arrivals
find the pool. Where the long requests slow the pool but never block it, the rest settle beside
each phase k, and k alone is a birth-death chain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.queueing.latency import StateMix, binned
from fleetopt.queueing.load import Moments
from fleetopt.queueing.occupancy import Occupancy, occupancy
from fleetopt.queueing.two_class_chain import REACHES, TwoClassChain, stationary_of
from fleetopt.workload.lengths import Floats, Ints

MAX_SLOTS = 1024
"""Pools with more slots average their long requests out."""
MAX_CELLS = 2**22
"""Most levels times phases squared: 32 MB to eliminate."""

_NEGLIGIBLE = 1e-9
_FAINT = 1e-12
"""Weight of a wait below which it is left out, so that the groups of waits span what counts."""
_UNSEEN = 1e-8
"""Probability of a phase that no percentile feels."""
_UNVISITED = 1e-5
"""Probability by the mean context below which the lowest levels are left out."""
_WAIT_BINS = 96
_BLOCKING = 1e-5
"""Overload probability below which the rest are taken to settle beside every phase."""
_BINS_BY_PHASE = 16
_GROUPS = 16
_MOST_WAITING = 2**24


@dataclass(frozen=True, eq=False)
class Environment(TwoClassChain):
    """The two-class chain of one pool, and what arrivals find in it."""

    def states(self, plain: Occupancy) -> StateMix:
        """What an arrival finds; in the place of `latency.states_of`.

        plain: the occupancy at the mean context.
        """
        (found,) = states_found([(self, plain)])
        return found

    @property
    def blocks(self) -> bool:
        """Whether the long requests ever take so many slots that others have to wait."""
        return self.overload_probability() > _BLOCKING

    def unblocked(self) -> StateMix:
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

    def first_level(self, plain: Occupancy) -> int:
        """The lowest level that is visited, by the occupancy at the mean context."""
        likely = plain.states[plain.probabilities > _UNVISITED]
        return int(likely[0]) if likely.size else 0

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


Pool = tuple[Environment, Occupancy]
"""A pool whose environment changes slowly, and its occupancy at the mean context."""


def states_found(pools: Sequence[Pool]) -> list[StateMix]:
    """What arrivals find in several pools, whose chains are solved side by side."""
    blocked = [i for i, (environment, _) in enumerate(pools) if environment.blocks]
    found = dict(zip(blocked, blocked_states([pools[i] for i in blocked]), strict=True))
    return [
        found[i] if i in found else environment.unblocked()
        for i, (environment, _) in enumerate(pools)
    ]


def blocked_states(pools: Sequence[Pool]) -> list[StateMix]:
    """States of the chains, those in which an arrival waits with their waits.

    Raises ValueError if a chain has no stationary distribution.
    """
    found: dict[int, StateMix] = {}
    for reach in REACHES:
        is_last = reach == REACHES[-1]
        tried = [
            (i, replace(pools[i][0], reach=reach)) for i in range(len(pools)) if i not in found
        ]
        if not is_last:
            tried = [(i, near) for i, near in tried
                     if near.phases < pools[i][0].phases and near.is_stable]  # fmt: skip
        chains = [(near, near.first_level(pools[i][1])) for i, near in tried]
        for (i, near), (table, rate) in zip(tried, stationary_of(chains), strict=True):
            if is_last or table[:, -1].sum() < _UNSEEN:
                found[i] = near.mixed(table, rate)
    return [found[i] for i in range(len(pools))]


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
