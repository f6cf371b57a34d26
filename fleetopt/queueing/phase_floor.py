"""Bounds below the least rows of pools of one phase, for many pools at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleetopt.case import Case
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.queueing.kv_link import KvLink
from fleetopt.queueing.load import load_table
from fleetopt.queueing.per_request import Phase
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats

_ROUNDING = 1e-9


class PhaseFloors:
    """The least replicas that utilization allows, of the same pools on many profiles.

    Both are sums over requests, so they hold for whatever cells the tables mix over.
    """

    def __init__(self, case: Case, pools: Sequence[Served]) -> None:
        self._case = case
        self._pools = pools
        ends = sorted({what.hi_tokens for what in pools})
        position = {tokens: i for i, tokens in enumerate(ends)}
        self._ends = ends
        self._end_of = np.array([position[what.hi_tokens] for what in pools], dtype=np.int64)

    def prefill(self, profile: ReplicaProfile, link: KvLink) -> Floats:
        """Prompts hold their replica for their iterations and the transfer of their KV."""
        time = profile.iteration
        work, context_work = self._sums(profile, "prefill")
        held_s = work * time.base_s + time.per_context_token_s * context_work
        held_s = held_s + self._shares * link.latency_s
        return self._least(held_s, self._slots(profile, context_work / work))

    def decode(self, profile: ReplicaProfile) -> Floats:
        """Every slot busy, at the mean context of a sequence."""
        time = profile.iteration
        work, context_work = self._sums(profile, "decode")
        slots = self._slots(profile, context_work / work)
        with np.errstate(divide="ignore"):
            seconds = work * time.base_s / slots + time.per_context_token_s * context_work
        return self._least(seconds, slots)

    def _least(self, seconds: Floats, slots: Floats) -> Floats:
        """Replicas for so many seconds of one, for each request of all; infinite without a slot."""
        needed = self._case.arrival_rate * seconds / self._case.problem.max_utilization
        floor: Floats = np.maximum(1.0, np.ceil(needed * (1.0 - _ROUNDING)))
        return np.where(slots >= 1, floor, np.inf)

    def _sums(self, profile: ReplicaProfile, phase: Phase) -> tuple[Floats, Floats]:
        """Work and work times context of each pool, for one of all requests."""
        table = load_table(self._case.lengths, profile.iteration, phase)
        work, context_work = table.work_sums(self._pools)
        return work, context_work

    @property
    def _shares(self) -> Floats:
        """Share of all requests that each pool serves."""
        rate = self._case.arrival_rate
        return np.array([self._case.pool_rate(what) / rate for what in self._pools])

    def _slots(self, profile: ReplicaProfile, context: Floats) -> Floats:
        """Most sequences of a replica; 0 where the longest request has no room."""
        capacities = [self._case.capacity(profile, tokens) for tokens in self._ends]
        slots = np.array([c.slots for c in capacities], dtype=np.float64)[self._end_of]
        tokens = np.array([c.kv_blocks * c.block_tokens for c in capacities], dtype=np.float64)
        if not tokens.any():
            return slots
        held = np.maximum(1.0, np.minimum(slots, tokens[self._end_of] / context))
        return np.where(slots >= 1, held, 0.0)
