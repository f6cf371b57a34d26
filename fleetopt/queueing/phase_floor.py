"""Bounds below the least rows of pools of one phase, for many pools at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleetopt.case import Case
from fleetopt.performance.kv_link import KvLink
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.queueing.batches import Batches
from fleetopt.queueing.energy import least_watts
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
        self._batches = {
            "prefill": Batches(case.prefill_capacity, pools),
            "decode": Batches(case.capacity, pools),
        }

    def prefill(self, profile: ReplicaProfile, link: KvLink) -> Floats:
        """Prompts hold a slot for their iterations and the transfer of their KV."""
        time = profile.iteration
        work, context_work = self._sums(profile, "prefill")
        slots = self._slots(profile, context_work / work, "prefill")
        each_s = work * time.base_s + self._shares * link.latency_s
        with np.errstate(divide="ignore"):
            held_s = each_s / slots + time.per_context_token_s * context_work
        return self._least(held_s, slots)

    def decode(self, profile: ReplicaProfile) -> Floats:
        """Every slot busy, at the mean context of a sequence."""
        time = profile.iteration
        work, context_work = self._sums(profile, "decode")
        slots = self._slots(profile, context_work / work, "decode")
        with np.errstate(divide="ignore"):
            seconds = work * time.base_s / slots + time.per_context_token_s * context_work
        return self._least(seconds, slots)

    def kilowatts(self, profile: ReplicaProfile, phase: Phase, replicas: Floats) -> Floats:
        """Bounds below the mean draw of pools of one phase with at least so many replicas each."""
        time, power = profile.iteration, profile.power
        if power is None:
            return np.zeros(replicas.size)
        work, context_work = self._sums(profile, phase)
        rate = self._case.arrival_rate
        if phase == "prefill":
            busy_s = work * time.base_s + time.per_context_token_s * context_work
            busy = np.minimum(replicas, rate * busy_s)
            above_w = power.watts(time.chunk_tokens) - power.idle_w
            drawn = (power.idle_w * replicas + above_w * busy) * (1.0 - _ROUNDING)
        else:
            context = context_work / work
            slots = np.floor(self._slots(profile, context, phase))
            drawn = least_watts(power, time, context, slots, rate * work, replicas)
        return profile.gpus_per_replica * drawn / 1000.0

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

    def _slots(self, profile: ReplicaProfile, context: Floats, phase: Phase) -> Floats:
        """Most sequences of a replica; 0 where the longest request has no room."""
        most: Floats = self._batches[phase].most([profile], context)[0]
        return most
