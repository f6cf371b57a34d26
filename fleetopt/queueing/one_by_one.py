"""TTFT of a replica that prefills whole prompts one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.batch_server import balanced
from fleetopt.queueing.grid import LateCurve, convolved, on_grid
from fleetopt.queueing.kv_line import slot_wait
from fleetopt.queueing.prompts import STEPS, Prompts, grid_size, told_apart
from fleetopt.queueing.shortest_queue import shortest_queue_rates
from fleetopt.workload.lengths import Floats

_LINE_SHARE = 0.1
"""Part of a replica's time for transfers over a shared line above which its rows are marked."""


@dataclass(frozen=True, eq=False)
class OneByOne:
    """Whole prompts one after the other; each keeps the slot until its KV has left."""

    prompts: Prompts

    @cached_property
    def _seconds(self) -> Floats:
        return self.prompts.alone_s + self.prompts.transfer_s

    @property
    def full_rate(self) -> float:
        """Prompts per second of a replica that is always busy."""
        return 1.0 / float(self.prompts.weights @ self._seconds)

    def waits_for_slots(self, rate: float) -> bool:
        """Only where others hold the line that the replicas share."""
        shared = self.prompts.link.shared
        return shared and rate * self.prompts.mean_transfer_s > _LINE_SHARE

    def computing_s(self, replicas: int, rate: float) -> float:
        """Seconds that it computes for each prompt."""
        return float(self.prompts.weights @ self.prompts.alone_s)

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """Wait, prefill and transfer; rate: arrivals per second of one replica."""
        step_s = 1.0 / (self.full_rate * STEPS)
        size = grid_size(self._seconds, step_s, rate / self.full_rate)
        service = on_grid(self._seconds, self.prompts.weights, step_s, size)
        if self.prompts.link.shared and replicas > 1:
            wait = slot_wait(self.prompts, replicas, rate, step_s, size)
            service = convolved(service, wait)
        mean_s = step_s * float(service @ np.arange(size))
        most = told_apart(replicas, rate * mean_s)
        leaving = np.append(0.0, np.full(most, 1.0 / mean_s))
        rates = shortest_queue_rates(replicas, rate, leaving)
        found = balanced(np.tile(service, (most + 1, 1)), rates, 1, step_s, rate)
        return LateCurve.of(convolved(found.waits.sum(axis=0), service), step_s)
