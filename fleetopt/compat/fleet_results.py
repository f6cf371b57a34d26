"""What a simulated fleet did, under the published names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.simulation.fleet import FleetOutcome
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.fleet_run import latencies_s, measure

if TYPE_CHECKING:
    from fleetopt.compat.fleet import FleetConfig

_METRICS = {"ttft": "ttft", "e2e": "e2e", "queue_wait": "wait", "tpot": "tpot"}
"""Published names of latencies, and fleetopt's."""


class FleetSimResult:
    """Figures of all requests of a run, or of those of a pool by its `pool_id`.

    Percentiles are of completed requests; the share within the SLO is of all arrivals, and
    one that was turned away or cut off has missed.
    """

    def __init__(self, config: FleetConfig, outcome: FleetOutcome) -> None:
        self.config = config
        self.outcome = outcome
        self._latencies = latencies_s(outcome)
        self._status = outcome.column("status")
        self._pool = outcome.column("pool")
        self._pools = measure(outcome, ()).pools

    def percentile(self, metric: str, p: float, pool_id: str | None = None) -> float:
        """A percentile in seconds; NaN without completed requests. Raises KeyError.

        metric: "ttft", "tpot", "e2e" or "queue_wait".
        """
        values = self._latencies[_METRICS[metric]][self._members(pool_id) & self._served]
        return float(np.percentile(values, p)) if values.size else math.nan

    def p99_ttft_ms(self, pool_id: str | None = None) -> float:
        """P99 TTFT in ms."""
        return 1000.0 * self.percentile("ttft", 99.0, pool_id)

    def p50_ttft_ms(self, pool_id: str | None = None) -> float:
        """Median TTFT in ms."""
        return 1000.0 * self.percentile("ttft", 50.0, pool_id)

    def p99_queue_wait_ms(self, pool_id: str | None = None) -> float:
        """P99 of the wait for a slot in ms."""
        return 1000.0 * self.percentile("queue_wait", 99.0, pool_id)

    def slo_compliance(self, t_slo_ms: float, pool_id: str | None = None) -> float:
        """Share of the arrivals with a TTFT of at most `t_slo_ms`; NaN without arrivals."""
        members = self._members(pool_id)
        within = (self._status == Status.COMPLETED) & (1000.0 * self._latencies["ttft"] <= t_slo_ms)
        return float(within[members].mean()) if members.any() else math.nan

    def mean_utilisation(self, pool_id: str | None = None) -> float:
        """Mean share of the slots that is busy until the last arrival; of pools, their mean."""
        names = [pool_id] if pool_id else list(self._pools)
        return sum(self._pools[name].utilization for name in names) / len(names)

    def throughput(self) -> float:
        """Completed requests per second, from the first arrival to the last end."""
        ends = self.outcome.column("end_s")[self._served]
        return float(ends.size / ends.max()) if ends.size else 0.0

    def total_gpus(self) -> int:
        """GPUs of all pools."""
        return self.config.total_gpus()

    def cost_per_hr(self) -> float:
        """USD an hour."""
        return self.config.total_cost_per_hr()

    def annualised_cost_usd(self) -> float:
        """USD in 8760 h."""
        return self.cost_per_hr() * HOURS_PER_YEAR

    def summary(self, t_slo_ms: float = 500.0) -> dict[str, Any]:
        """The main figures of the fleet, and those of each pool behind its name."""
        figures: dict[str, Any] = {
            "total_gpus": self.total_gpus(),
            "total_completed": int(self._served.sum()),
            "cost_per_hr_usd": round(self.cost_per_hr(), 4),
            "annualised_cost_kusd": round(self.annualised_cost_usd() / 1000.0, 1),
            "fleet_p99_ttft_ms": round(self.p99_ttft_ms(), 1),
            "fleet_p50_ttft_ms": round(self.p50_ttft_ms(), 1),
            "fleet_p99_qwait_ms": round(self.p99_queue_wait_ms(), 1),
            "fleet_slo_compliance": round(self.slo_compliance(t_slo_ms), 4),
            "mean_utilisation": round(self.mean_utilisation(), 4),
        }
        for pool in self.config.pools:
            name = pool.pool_id
            figures[f"{name}_n_gpus"] = pool.n_gpus
            figures[f"{name}_p99_ttft_ms"] = round(self.p99_ttft_ms(name), 1)
            figures[f"{name}_p99_qwait_ms"] = round(self.p99_queue_wait_ms(name), 1)
            figures[f"{name}_util"] = round(self.mean_utilisation(name), 4)
            figures[f"{name}_slo"] = round(self.slo_compliance(t_slo_ms, name), 4)
        return figures

    def print_summary(self, t_slo_ms: float = 500.0) -> None:
        """Print the summary, a figure a line."""
        print(f"SLO: P99 TTFT {t_slo_ms:g} ms")
        for name, value in self.summary(t_slo_ms).items():
            print(f"  {name:<24} {value}")

    @property
    def _served(self) -> np.ndarray:
        return np.isin(self._status, (Status.COMPLETED, Status.TRUNCATED))

    def _members(self, pool_id: str | None) -> np.ndarray:
        """Requests sent to a pool, or all of them. Raises KeyError for an unknown pool."""
        if pool_id is None:
            return np.ones(self._status.size, dtype=bool)
        names = [pool.pool_id for pool in self.config.pools]
        if pool_id not in names:
            raise KeyError(f"no pool is called {pool_id!r}; there are {', '.join(names)}")
        return np.asarray(self._pool == names.index(pool_id))
