"""Fleet, FleetConfig and PoolConfig: pools behind a router, over fleetopt's simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fleetopt.compat.fleet_results import FleetSimResult
from fleetopt.compat.profiles import ManualProfile
from fleetopt.compat.routers import pool_names, router_of
from fleetopt.compat.workload import Request
from fleetopt.errors import Fault, InputError
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.simulation.fleet import Fleet as SimulatedFleet
from fleetopt.simulation.fleet import simulate_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.records import Window
from fleetopt.workload.traces.trace import coded

_FOREVER_S = 1e12
"""Requests end in their own time: a run lasts until the last of them has."""
_CHUNK_MODES = ("independent",)
_BALANCING = ("least_queue", "least_loaded")


@dataclass
class PoolConfig:
    """A pool: `n_gpus` replicas of a profile, each with a context window of `max_ctx` tokens.

    chunk_mode: "independent": every prefilling sequence has a chunk of its own.
    lb_strategy: "least_queue" or "least_loaded"; both mean the replica with the fewest
        sequences, running and waiting.
    """

    pool_id: str
    gpu: ManualProfile
    n_gpus: int
    max_ctx: int
    chunk_mode: str = "independent"
    lb_strategy: str = "least_queue"

    def faults(self) -> list[Fault]:
        """What fleetopt's simulator does not do."""
        pairs = (("chunk_mode", _CHUNK_MODES), ("lb_strategy", _BALANCING))
        return [
            Fault(f"pool {self.pool_id!r}: {key}", f"expected {' or '.join(known)}, got {said!r}")
            for key, known in pairs
            if (said := getattr(self, key)) not in known
        ]

    def simulated(self) -> FleetPool:
        """The pool as the simulator takes it, a slot reserving the context window."""
        profile = self.gpu.calibrated
        return FleetPool(
            self.pool_id,
            profile.iteration,
            profile.reserved(self.max_ctx),
            self.n_gpus,
            power=profile.power,
        )


@dataclass
class FleetConfig:
    """Pools and a router by its published class name, with its parameters."""

    pools: list[PoolConfig]
    router_type: str = "LengthRouter"
    router_kwargs: Mapping[str, Any] = field(default_factory=dict)

    def total_gpus(self) -> int:
        """GPUs of all pools."""
        return sum(pool.n_gpus for pool in self.pools)

    def total_cost_per_hr(self) -> float:
        """USD an hour."""
        return sum(pool.gpu.cost_per_hr * pool.n_gpus for pool in self.pools)

    def annualised_cost_usd(self) -> float:
        """USD in 8760 h."""
        return self.total_cost_per_hr() * HOURS_PER_YEAR


class Fleet:
    """A fleet that requests can be sent through."""

    def __init__(self, config: FleetConfig) -> None:
        self.config = config
        self._result: FleetSimResult | None = None

    def run(
        self, arrivals: Sequence[tuple[float, Request]], verbose: bool = False
    ) -> FleetSimResult:
        """What becomes of requests, given with their arrival times in seconds.

        All of them count, from an empty fleet on. Raises InputError with every fault.
        """
        ordered = sorted(arrivals, key=lambda pair: pair[0])
        fleet, traffic = self._fleet(ordered), self._traffic(ordered)
        end_s = float(np.nextafter(traffic.arrival_s[-1], np.inf))
        rng = np.random.default_rng(self.config.router_kwargs.get("seed", 0))
        outcome = simulate_fleet(fleet, traffic, Window(0.0, end_s, _FOREVER_S), rng)
        self._result = FleetSimResult(self.config, outcome)
        if verbose:
            self._result.print_summary()
        return self._result

    def collect_metrics(self) -> FleetSimResult:
        """The result of the last run. Raises InputError before the first."""
        if self._result is None:
            raise InputError.single("collect_metrics", "the fleet has not run", "call run first")
        return self._result

    def _fleet(self, arrivals: Sequence[tuple[float, Request]]) -> SimulatedFleet:
        config = self.config
        faults = [fault for pool in config.pools for fault in pool.faults()]
        if not arrivals:
            faults.append(Fault("arrivals", "at least one request is expected"))
        if not config.pools:
            faults.append(Fault("pools", "at least one is expected"))
        if faults:
            raise InputError(faults)
        names = [pool.pool_id for pool in config.pools]
        categories = sorted({request.category for _, request in arrivals})
        router = router_of(config.router_type, config.router_kwargs, names, categories)
        return SimulatedFleet(tuple(pool.simulated() for pool in config.pools), router)

    def _traffic(self, arrivals: Sequence[tuple[float, Request]]) -> Traffic:
        """The requests in columns, from the first arrival on."""
        requests = [request for _, request in arrivals]
        times = np.array([t for t, _ in arrivals], dtype=np.float64)
        model, models = coded(
            pool_names(self.config.router_type, self.config.router_kwargs, requests)
        )
        category, categories = coded([request.category for request in requests])
        return Traffic(
            times - times[0],
            np.array([request.l_in for request in requests], dtype=np.int64),
            np.array([request.l_out for request in requests], dtype=np.int64),
            model,
            models,
            category,
            categories,
        )
