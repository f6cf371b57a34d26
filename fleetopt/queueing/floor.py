"""The least replicas that utilization allows: a bound on every row of many tables at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetopt.case import Case
from fleetopt.performance.profile import IterationTime, ReplicaProfile
from fleetopt.queueing.cells import Cells
from fleetopt.queueing.energy import least_watts
from fleetopt.queueing.feasibility import GREY_MARGIN
from fleetopt.queueing.idle import idle_s
from fleetopt.queueing.load import load_table
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats, Ints

_Kind = tuple[str, int]


def utilization_floor(case: Case, profile: ReplicaProfile, pools: Sequence[Served]) -> Ints:
    """Least replicas n of each pool with rho(n) at most the cap; no row of it has fewer.

    One part in 1e9 is left for rounding. Every pool must have a slot for its longest requests.
    """
    floor: Ints = RowFloors(case, pools).by_utilization(profile).astype(np.int64)
    return floor


class RowFloors:
    """Bounds below the least rows of the same pools on many profiles.

    What depends on the chunk of a prefill alone is summed once for all profiles that share it.
    """

    def __init__(self, case: Case, pools: Sequence[Served]) -> None:
        self._case = case
        self._pools = pools
        self._ends = sorted({what.hi_tokens for what in pools})
        position = {tokens: i for i, tokens in enumerate(self._ends)}
        self._end_of = np.array([position[what.hi_tokens] for what in pools], dtype=np.int64)
        self._sums: dict[_Kind, tuple[Floats, Floats]] = {}
        self._ranges: dict[_Kind, tuple[Cells, Ints, Ints]] = {}

    def least(self, profile: ReplicaProfile) -> Floats:
        """Least replicas of each pool; infinite where no number of them can be admissible."""
        floor = self.by_utilization(profile)
        if self._case.problem.slo_scope == "pool":
            floor[self._is_too_slow(profile)] = math.inf
        return floor

    def kilowatts(self, profile: ReplicaProfile, replicas: Floats) -> Floats:
        """Bounds below the mean draw of pools with at least so many replicas each."""
        time, power = profile.iteration, profile.power
        if power is None:
            return np.zeros(replicas.size)
        work, context = self._work((time.context, time.chunk_tokens), profile)
        slots = np.floor(self._batches(profile, context))
        drawn = least_watts(power, time, context, slots, self._case.arrival_rate * work, replicas)
        return profile.gpus_per_replica * drawn / 1000.0

    def by_utilization(self, profile: ReplicaProfile) -> Floats:
        """Least replicas within the utilization cap; infinite where no slot has room."""
        time = profile.iteration
        work, context = self._work((time.context, time.chunk_tokens), profile)
        slots = np.floor(self._batches(profile, context))
        tau = time.base_s + time.per_context_token_s * context * slots
        cap = self._case.problem.max_utilization
        with np.errstate(divide="ignore"):
            least = self._case.arrival_rate * work * tau / (slots * cap)
        prompt_s = _prompt_token_s(time)
        if prompt_s > 0.0:
            prompts = self._case.arrival_rate * self._prompts
            least = np.maximum(least, prompts * prompt_s / cap)
        floor: Floats = np.maximum(1.0, np.ceil(least * (1.0 - 1e-9)))
        return floor

    @cached_property
    def _prompts(self) -> Floats:
        """Prompt tokens of each pool for one of all requests; 0 where some are compressed."""
        lengths = self._case.lengths
        sums = np.concatenate(([0.0], np.cumsum(lengths.weights * lengths.prompt_tokens)))
        return np.array(
            [
                sums[lengths.index(what.hi_tokens)] - sums[lengths.index(what.lo_tokens)]
                if what.gammas == (1.0, 1.0)
                else 0.0
                for what in self._pools
            ]
        )

    def _work(self, kind: _Kind, profile: ReplicaProfile) -> tuple[Floats, Floats]:
        """Work of each pool, as a share of all requests, and its mean context."""
        if kind not in self._sums:
            work, context_work = load_table(self._case.lengths, profile.iteration).work_sums(
                self._pools
            )
            self._sums[kind] = work, context_work / work
        return self._sums[kind]

    def _batches(self, profile: ReplicaProfile, context: Floats) -> Floats:
        """Most sequences that a replica of each pool runs at once; 0 where none has room."""
        capacities = [self._case.capacity(profile, tokens) for tokens in self._ends]
        slots = np.array([c.slots for c in capacities], dtype=np.float64)[self._end_of]
        tokens = np.array([c.kv_blocks * c.block_tokens for c in capacities], dtype=np.float64)
        if not tokens.any():
            return slots
        held = tokens[self._end_of] / context
        batches: Floats = np.where(slots >= 1, np.maximum(1.0, np.minimum(slots, held)), 0.0)
        return batches

    def _is_too_slow(self, profile: ReplicaProfile) -> NDArray[np.bool_]:
        """Pools that break a bound on idle replicas; of those with compressed requests, by W."""
        time = profile.iteration
        slow = np.zeros(len(self._pools), dtype=bool)
        cells, first, last = self._cells((time.context, time.chunk_tokens), profile)
        mass = _between(cells.weights, first, last)
        for bound in self._case.problem.slo:
            limit_s = bound.limit_s * (1.0 + GREY_MARGIN) - time.outside_s(bound.metric)
            late = cells.weights * (idle_s(bound.metric, cells, time) > limit_s)
            share = _between(late, first, last) / mass
            slow |= self._is_whole & (share > bound.allowed_miss * (1.0 + 1e-9))
            slow |= time.base_s > limit_s
        return slow

    @cached_property
    def _is_whole(self) -> NDArray[np.bool_]:
        """Pools without compressed requests."""
        return np.array([what.gammas == (1.0, 1.0) for what in self._pools], dtype=bool)

    def _cells(self, kind: _Kind, profile: ReplicaProfile) -> tuple[Cells, Ints, Ints]:
        """Cells of all requests, and where those of each pool begin and end."""
        if kind not in self._ranges:
            loads = load_table(self._case.lengths, profile.iteration)
            first = loads.cells_up_to([what.lo_tokens for what in self._pools])
            last = loads.cells_up_to([what.hi_tokens for what in self._pools])
            self._ranges[kind] = loads.cells, first, last
        return self._ranges[kind]


def _between(values: Floats, first: Ints, last: Ints) -> Floats:
    """Sums of values[first:last], for many ranges."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    ranges: Floats = sums[last] - sums[first]
    return ranges


def _prompt_token_s(time: IterationTime) -> float:
    """Least seconds of a prompt token: (F0 + F1 b) / b, at most b tokens in an iteration."""
    once = time.prefill_base_s / time.token_budget if time.token_budget else 0.0
    return once + time.prefill_per_token_s
