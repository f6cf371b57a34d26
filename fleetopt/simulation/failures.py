"""Failures and repairs of nodes, drawn before a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.errors import InputError
from fleetopt.simulation.fleet_model import FleetPool
from fleetopt.simulation.fleet_records import Faults
from fleetopt.simulation.records import Floats

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Failures:
    """Nodes fail, each on its own, and return after their repair.

    per_node_day: r_f, failures of one node in a day that it is up. Times to failure are
        exponential, and so are repairs.
    repair_s: mean time to repair (MTTR), in seconds.
    gpus_per_node: replicas of a pool fill its nodes in order; a replica on several nodes goes
        down with any of them.
    """

    per_node_day: float
    repair_s: float
    gpus_per_node: int = 8

    def __post_init__(self) -> None:
        if not (self.per_node_day >= 0 and self.repair_s > 0 and self.gpus_per_node >= 1):
            raise InputError.single(
                "failures", "a rate of 0 or more, a repair time above 0 and GPUs per node above 0"
            )

    @property
    def availability(self) -> float:
        """Share of time that a node is up in the long run."""
        return 1.0 / (1.0 + self.per_node_day * self.repair_s / _DAY_S)

    def draw(
        self, pools: Sequence[FleetPool], rng: np.random.Generator, horizon_s: float
    ) -> Faults:
        """Outages of all nodes that begin before horizon_s.

        At first each node is down with the share of time that it is down in the long run, so
        that a run that is shorter than the time between failures is not too hopeful.
        """
        rows: list[tuple[float, int, int, int]] = []
        base = 0
        for pool in pools:
            for first, last in self._units(pool):
                down_s, up_s = self._outages(rng, horizon_s)
                rows += [(t, base + first, base + last, 1) for t in down_s]
                rows += [(t, base + first, base + last, 0) for t in up_s]
            base += pool.replicas
        if not rows:
            return Faults.none()
        rows.sort()
        time_s, *places = zip(*rows, strict=True)
        return Faults(np.array(time_s), *(np.array(p, dtype=np.int64) for p in places))

    def _units(self, pool: FleetPool) -> list[tuple[int, int]]:
        """Replicas that go down with each node of a pool, as ranges."""
        if pool.gpus_per_replica <= self.gpus_per_node:
            size = self.gpus_per_node // pool.gpus_per_replica
            return [(k, min(k + size, pool.replicas)) for k in range(0, pool.replicas, size)]
        nodes = math.ceil(pool.gpus_per_replica / self.gpus_per_node)
        return [(r, r + 1) for r in range(pool.replicas) for _ in range(nodes)]

    def _outages(self, rng: np.random.Generator, horizon_s: float) -> tuple[Floats, Floats]:
        """Times at which one node goes down and comes up."""
        down_s, up_s = [], []
        if self.per_node_day == 0:
            return np.zeros(0), np.zeros(0)
        is_up = rng.random() < self.availability
        now = rng.exponential(_DAY_S / self.per_node_day) if is_up else 0.0
        while now < horizon_s:
            down_s.append(now)
            now += rng.exponential(self.repair_s)
            up_s.append(now)
            now += rng.exponential(_DAY_S / self.per_node_day)
        return np.array(down_s), np.array(up_s)
