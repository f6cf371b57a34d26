"""The feasibility table of a profile whose prompts take time: context current, F0 + F1 P.

A sequence stays for the rest of an iteration, its prefill and its output:

    R(x) = E[rest + prefill] + E[output] E[tau],   x = n / N sequences on a replica,

both expectations by the backlog chain, and departures come at n / R(n / N) below c. Full, a
replica serves as many requests as the chain does whose every departure is replaced, whichever
of decodes and token budget binds; utilization is the share of that rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fleetopt.performance.profile import Capacity
from fleetopt.queueing.backlog import Backlog, backlog, saturated
from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.feasibility import OccupancyRow, OccupancyTable
from fleetopt.queueing.idle import idle_s
from fleetopt.queueing.latency import StateMix, states_of
from fleetopt.queueing.load import Load, Moments
from fleetopt.queueing.occupancy import Occupancy
from fleetopt.queueing.pace import Pace
from fleetopt.queueing.prefill_latency import PrefillMix, like_mean
from fleetopt.queueing.prefilling import Prefilling
from fleetopt.queueing.tails import exceeds
from fleetopt.workload.lengths import Floats

WAITS = 0.002
"""Chance of a wait for a slot above which a row's percentiles are marked."""
_NODES = 7
_PACES = 3
"""Numbers of sequences at which the chain is solved: for residences, and for latencies.

Two more for latencies move P99s by 0.4 % at most, over 80 drawn pools.
"""
_UNLIKELY = 1e-4
"""Probability of the states that latencies are interpolated between."""
_NEARLY = 0.999
"""Part of the saturation rate at which the chain of an overloaded pool is solved."""
_NEGLIGIBLE = -42.0
"""Log weight, relative to the mode, below which states are left out."""


@dataclass(frozen=True, eq=False)
class PrefillRow(OccupancyRow):
    """A row of this table; where requests wait for a slot, only simulation can tell how long.

    kv_full: probability that the sequences of a replica would need more KV than it has, because
        long ones happen to meet there.
    """

    kv_full: float = 0.0

    @property
    def method(self) -> str:
        """Which states the latencies are mixed over; "slot wait" asks for a simulation."""
        waits = max(self.occupancy.wait_probability, self.kv_full) > WAITS
        return "slot wait" if waits and self.environment is None else super().method


class _Solved(NamedTuple):
    """What the chains at ascending numbers of sequences tell, and the last of them.

    mean_s: of their iterations. residences_s: how long requests stay there.
    """

    mean_s: list[float]
    residences_s: list[float]
    last: list[Backlog]


class PrefillTable(OccupancyTable):
    """The table of one range of lengths on a profile that knows prefill, context and budget."""

    @cached_property
    def slots(self) -> int:
        """Sequences in a replica's batch; each holds the blocks of its total length."""
        return int(self.capacity.batch(float(self._held.mean)))

    @cached_property
    def _held(self) -> Moments:
        """Moments of the total length of a sequence that decodes."""
        cells = self.load.cells
        outputs = cells.work - cells.prefill_iterations
        totals = 2.0 * cells.prefill_context_tokens + outputs
        weights = cells.weights * outputs / (cells.weights @ outputs)
        return Moments.of_raw(*(float(weights @ totals**power) for power in (1, 2, 3)))

    def _kv_full(self, states: StateMix, replicas: int) -> float:
        """P(total lengths on a replica > its KV); 0 where every slot holds a whole context."""
        tokens = self.capacity.kv_blocks * self.capacity.block_tokens
        if not tokens:
            return 0.0
        beside = states.active / replicas
        late = exceeds(float(tokens), Moments(*(beside * moment for moment in self._held)))
        return float(states.probabilities @ late)

    @cached_property
    def prefilling(self) -> Prefilling:
        """The pool's prompts."""
        return Prefilling.of(self.load, self.profile.iteration)

    @cached_property
    def saturation_rate(self) -> float:
        """Requests per second of one replica with every slot busy."""
        return saturated(self.prefilling, self.slots)

    def full_rate(self, replicas: int) -> float:
        """Iterations of requests per second with every slot busy."""
        return replicas * self.saturation_rate * self.load.mean_work

    def occupancy(self, replicas: int) -> Occupancy:
        """The distribution of the sequences in the pool."""
        rho, top = self.utilization(replicas), self.full_rate(replicas)
        nothing = np.empty(0)
        if rho >= 1.0:
            return Occupancy(nothing, nothing, 1.0, rho, top, replicas, self.slots)
        first, weights = self._weights(replicas, rho)
        states = first + np.arange(weights.size, dtype=np.float64)
        waiting = 0.0
        if states[-1] == replicas * self.slots:
            waiting, states, weights = float(weights[-1]), states[:-1], weights[:-1]
        return Occupancy(states, weights, waiting, rho, top, replicas, self.slots)

    def _weights(self, replicas: int, rho: float) -> tuple[int, Floats]:
        """pi(n) from the first state that counts on; at c the states beyond are added."""
        full, mode = replicas * self.slots, self._mode(replicas)
        width = 10.0 * math.sqrt(max(mode, 1.0)) + 20.0
        while True:
            first, last = max(0, math.floor(mode - width)), min(full, math.ceil(mode + width))
            states = np.arange(first + 1.0, last + 1.0)
            stay = np.interp(states / replicas, *self._residences(replicas, last / replicas))
            steps = np.log(self.load.arrival_rate * stay / states)
            logs = np.concatenate(([0.0], np.cumsum(steps)))
            logs -= logs.max()
            low, high = logs[0] < _NEGLIGIBLE or first == 0, logs[-1] < _NEGLIGIBLE or last == full
            if low and high:
                break
            width *= 1.5
        weights = np.exp(logs)
        if last == full:
            weights[-1] /= 1.0 - rho
        return first, weights / weights.sum()

    def _mode(self, replicas: int) -> float:
        """Sequences in the pool at which as many leave as arrive; all slots if more arrive."""
        rate = self.load.arrival_rate / replicas
        for node in self._nodes.tolist():
            active, residence_s = self._residences(replicas, node)
            left = active - rate * residence_s
            if left[-1] >= 0.0:
                part = left[-2] / (left[-2] - left[-1])
                return replicas * float(active[-2] + part * (active[-1] - active[-2]))
        return float(replicas * self.slots)

    def _residences(self, replicas: int, until: float) -> tuple[Floats, Floats]:
        """Sequences on a replica, up to a number of them at least, and how long they stay there."""
        solved = self._solved_up_to(replicas, until)
        idle = self._idle_prefill_s + self.prefilling.mean_output * solved.mean_s[0]
        active = np.concatenate(([0.0], self._nodes[: len(solved.mean_s)]))
        return active, np.array([idle, *solved.residences_s])

    @cached_property
    def _idle_prefill_s(self) -> float:
        """Mean time of a prefill on an idle replica."""
        cells = self.load.cells
        return float(cells.weights @ idle_s("ttft", cells, self.profile.iteration))

    @cached_property
    def _nodes(self) -> Floats:
        """Numbers of sequences on a replica, from one to a full batch."""
        return np.unique(np.geomspace(1.0, max(self.slots, 1), _NODES))

    def _solved_up_to(self, replicas: int, until: float = math.inf) -> _Solved:
        """The chains of the nodes up to a number of sequences; those of one row are kept."""
        if replicas not in self._solved:
            self._solved.clear()
            self._solved[replicas] = _Solved([], [], [])
        solved, rate = self._solved[replicas], self._rate(replicas)
        count = min(int(np.searchsorted(self._nodes, until)) + 1, self._nodes.size)
        for active in self._nodes[len(solved.mean_s) : count].tolist():
            chain = self._chain(active, replicas, solved.last)
            decode_s = self.prefilling.mean_output * chain.mean_s
            solved.mean_s.append(chain.mean_s)
            solved.residences_s.append(chain.residence_s(rate, replicas) + decode_s)
            solved.last[:] = [chain] if active < self._nodes[-1] else []
        return solved

    @cached_property
    def _solved(self) -> dict[int, _Solved]:
        return {}

    def _chain(self, active: float, replicas: int, below: Sequence[Backlog]) -> Backlog:
        """A chain, begun from the last of those at fewer sequences."""
        near = below[-1] if below else None
        return backlog(self.prefilling, active, self._rate(replicas), replicas, near)

    def _rate(self, replicas: int) -> float:
        """Arrivals per second, fewer where the pool is overloaded."""
        return min(self.load.arrival_rate, _NEARLY * replicas * self.saturation_rate)

    def _latencies(self, states: StateMix, replicas: int) -> PrefillMix:
        """Latencies over states, by chains between the likely ones."""
        beside, chances = like_mean(states, self.load, replicas), states.probabilities
        likely = beside[chances >= min(_UNLIKELY, float(chances.max()))]
        nodes = np.unique(np.linspace(likely.min(), likely.max(), _PACES))
        chains: list[Backlog] = []
        for active in nodes.tolist():
            chains.append(self._chain(active, replicas, chains))
        pace = Pace(chains, self._rate(replicas), replicas)
        time = self.profile.iteration
        coefficients = (time.base_s, time.per_context_token_s)
        return PrefillMix(self.load, states, replicas, *coefficients, self.prefilling, pace)

    def _compute(self, replicas: int) -> OccupancyRow:
        with one_blas_thread():
            occ = self.occupancy(replicas)
            mix = self._latencies(states_of(occ, self.load), replicas)
            environment = self._environment(occ)
        first_s = self.profile.iteration.first_token_s
        kept = occ if environment else occ.stateless()
        kv_full = self._kv_full(mix.states, replicas)
        return PrefillRow(replicas, kept, mix, environment, first_s, kv_full)

    def _line(self, occ: Occupancy) -> tuple[float, float]:
        """W and h of the straight line through the mean iteration time, busy and full."""
        means_s = self._solved_up_to(occ.replicas).mean_s
        low = min(max(1.0, occ.mean() / occ.replicas), 0.9 * self.slots)
        mean_s = float(np.interp(low, self._nodes, means_s))
        context, full_s = self.load.context.mean, means_s[-1]
        per_token_s = self._per_token_s
        if self.slots > low:
            per_token_s = min((full_s - mean_s) / (self.slots - low), full_s / self.slots) / context
        return full_s - per_token_s * context * self.slots, per_token_s

    def _with(self, load: Load, capacity: Capacity) -> PrefillTable:
        table = PrefillTable(load, self.profile, capacity, self.lo_tokens, self.limits, self.gammas)
        if capacity == self.capacity:
            table.__dict__["saturation_rate"] = self.saturation_rate
        return table
