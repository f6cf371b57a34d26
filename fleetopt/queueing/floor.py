"""The least replicas that utilization allows: a bound on every row of many tables at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetopt.case import Case
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.queueing.batches import Batches
from fleetopt.queueing.cells import Cells
from fleetopt.queueing.energy import least_watts
from fleetopt.queueing.feasibility import GREY_MARGIN
from fleetopt.queueing.idle import IterationTimes, idle_s
from fleetopt.queueing.load import load_table
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats, Ints

_Kind = tuple[str, int]
_TOGETHER = 256
"""Profiles that are looked at together; more fill the memory and are no faster."""
_ROUNDING = 1e-9


def utilization_floor(case: Case, profile: ReplicaProfile, pools: Sequence[Served]) -> Ints:
    """Least replicas n of each pool with rho(n) at most the cap; no row of it has fewer.

    One part in 1e9 is left for rounding. Every pool must have a slot for its longest requests.
    """
    floor: Ints = rounded(RowFloors(case, pools).busy([profile])[0]).astype(np.int64)
    return floor


def rounded(needed: Floats) -> Floats:
    """Whole replicas, at least one, where so many are needed; one part in 1e9 is left."""
    whole: Floats = np.maximum(1.0, np.ceil(needed * (1.0 - _ROUNDING)))
    return whole


class RowFloors:
    """Bounds below the least rows of the same pools on many profiles.

    What depends on the chunk of a prefill alone is summed once for all profiles that share it.
    Arrays have a row for each profile and a column for each pool.
    """

    def __init__(self, case: Case, pools: Sequence[Served]) -> None:
        self._case = case
        self._pools = pools
        self.batches = Batches(case.capacity, pools)
        self._sums: dict[_Kind, tuple[Floats, Floats]] = {}
        self._ranges: dict[_Kind, tuple[Cells, Ints, Ints]] = {}

    def least(self, profiles: Sequence[ReplicaProfile]) -> Floats:
        """Least replicas; infinite where no number of them can be admissible."""
        return rounded(self.needed(profiles))

    def needed(self, profiles: Sequence[ReplicaProfile]) -> Floats:
        """The same, not rounded to whole replicas."""
        needed = self.busy(profiles)
        if self._case.problem.slo_scope == "pool":
            for rows, some in _alike(profiles):
                needed[rows] = np.where(self._is_too_slow(some), np.inf, needed[rows])
        return needed

    def busy(self, profiles: Sequence[ReplicaProfile]) -> Floats:
        """Replicas that are at the utilization cap, not rounded; infinite without a slot."""
        busy = np.empty((len(profiles), len(self._pools)))
        for rows, some in _alike(profiles):
            busy[rows] = self._busy(some)
        return busy

    def kilowatts(self, profile: ReplicaProfile, replicas: Floats) -> Floats:
        """Bounds below the mean draw of pools with at least so many replicas each."""
        time, power = profile.iteration, profile.power
        if power is None:
            return np.zeros(replicas.size)
        work, context = self._work(profile)
        slots = np.floor(self.batches.most([profile], context)[0])
        drawn = least_watts(power, time, context, slots, self._case.arrival_rate * work, replicas)
        return profile.gpus_per_replica * drawn / 1000.0

    def _busy(self, profiles: Sequence[ReplicaProfile]) -> Floats:
        """Replicas whose decodes, or whose prompts, are as much work as the cap allows."""
        work, context = self._work(profiles[0])
        time = IterationTimes.of([profile.iteration for profile in profiles])
        rate, cap = self._case.arrival_rate, self._case.problem.max_utilization
        slots = np.floor(self.batches.most(profiles, context))
        tau = time.base_s + time.per_context_token_s * context * slots
        with np.errstate(divide="ignore"):
            decodes = rate * work * tau / (slots * cap)
        return np.maximum(decodes, rate * self._prompts * _prompt_token_s(time) / cap)

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

    def _work(self, profile: ReplicaProfile) -> tuple[Floats, Floats]:
        """Work of each pool, as a share of all requests, and its mean context."""
        kind = (profile.iteration.context, profile.iteration.chunk_tokens)
        if kind not in self._sums:
            work, context_work = load_table(self._case.lengths, profile.iteration).work_sums(
                self._pools
            )
            self._sums[kind] = work, context_work / work
        return self._sums[kind]

    def _is_too_slow(self, profiles: Sequence[ReplicaProfile]) -> NDArray[np.bool_]:
        """Pools that break a bound on idle replicas; of those with compressed requests, by W."""
        time = IterationTimes.of([profile.iteration for profile in profiles])
        slow = np.zeros((len(profiles), len(self._pools)), dtype=bool)
        cells, first, last = self._cells(profiles[0])
        mass = _between(cells.weights, first, last)
        for bound in self._case.problem.slo:
            limit_s = bound.limit_s * (1.0 + GREY_MARGIN) - time.outside_s(bound.metric)
            late = cells.weights * (idle_s(bound.metric, cells, time) > limit_s)
            share = _between(late, first, last) / mass
            slow |= self._is_whole & (share > bound.allowed_miss * (1.0 + _ROUNDING))
            slow |= time.base_s > limit_s
        return slow

    @cached_property
    def _is_whole(self) -> NDArray[np.bool_]:
        """Pools without compressed requests."""
        return np.array([what.gammas == (1.0, 1.0) for what in self._pools], dtype=bool)

    def _cells(self, profile: ReplicaProfile) -> tuple[Cells, Ints, Ints]:
        """Cells of all requests, and where those of each pool begin and end."""
        kind = (profile.iteration.context, profile.iteration.chunk_tokens)
        if kind not in self._ranges:
            loads = load_table(self._case.lengths, profile.iteration)
            first = loads.cells_up_to([what.lo_tokens for what in self._pools])
            last = loads.cells_up_to([what.hi_tokens for what in self._pools])
            self._ranges[kind] = loads.cells, first, last
        return self._ranges[kind]


def _alike(
    profiles: Sequence[ReplicaProfile],
) -> Iterator[tuple[list[int], list[ReplicaProfile]]]:
    """Profiles whose iterations count work alike, some at a time, and where they stand."""
    kinds: dict[tuple[str, int, int], list[int]] = {}
    for i, time in enumerate(profile.iteration for profile in profiles):
        kinds.setdefault((time.context, time.chunk_tokens, time.token_budget), []).append(i)
    for places in kinds.values():
        for start in range(0, len(places), _TOGETHER):
            some = places[start : start + _TOGETHER]
            yield some, [profiles[i] for i in some]


def _between(values: Floats, first: Ints, last: Ints) -> Floats:
    """Sums of values[..., first:last], for many ranges."""
    none = np.zeros((*values.shape[:-1], 1))
    sums = np.concatenate((none, np.cumsum(values, axis=-1)), axis=-1)
    ranges: Floats = sums[..., last] - sums[..., first]
    return ranges


def _prompt_token_s(time: IterationTimes) -> Floats:
    """Least seconds of a prompt token: (F0 + F1 b) / b, at most b tokens in an iteration."""
    if not time.token_budget:
        return time.prefill_per_token_s
    return time.prefill_base_s / time.token_budget + time.prefill_per_token_s
