"""Prefill and decode pools of several kinds, and the simulation of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from fleetopt.case import Case
from fleetopt.performance.kv_link import KvLink
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.queueing.load import Load, load_table
from fleetopt.queueing.phases import DecodePhaseTable, PrefillPhaseTable
from fleetopt.queueing.table import Limits
from fleetopt.simulation.fleet import Fleet, FleetOutcome, simulate_fleet
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_model import KvLink as SimulatedLink
from fleetopt.simulation.fleet_run import latencies_s, measure
from fleetopt.simulation.records import Window
from fleetopt.simulation.routing import ByLength
from fleetopt.workload.compression import Served

LIMITS = Limits(
    (LatencyBound(metric="ttft", limit_ms=600.0), LatencyBound(metric="tpot", limit_ms=50.0))
)
KV_BYTES = 327_680.0
OWN = KvLink(KV_BYTES, 50e9, 1e-4)
SLOWER = KvLink(KV_BYTES, 25e9, 5e-4)
SHARED = KvLink(KV_BYTES, 100e9, 1e-4, shared=True)
_MODEL = "llama-3.1-70b"


@dataclass(frozen=True)
class Apart:
    """A prefill and a decode pool, each at a utilization of its own.

    prefill, decode: names of profiles; batch: prompts at a time, 0 for what the engine takes.
    """

    cdf: str
    lo: int
    hi: int
    prefill: str
    decode: str
    batch: int
    link: KvLink
    replicas: tuple[int, int]
    utilization: tuple[float, float]

    def load(self, phase: str, rate: float) -> Load:
        """The load of one phase."""
        case, profile = self._profile(self.prefill if phase == "prefill" else self.decode)
        table = load_table(case.lengths, profile.iteration, phase)
        return table.serving(Served(self.lo, self.hi), rate)

    def prefill_table(self) -> PrefillPhaseTable:
        """The table of the prefill pool at its utilization."""
        case, profile = self._profile(self.prefill)
        capacity = case.capacity(profile, self.hi)
        if self.batch:
            capacity = replace(capacity, slots=min(self.batch, capacity.slots))
        load = self.load("prefill", 1.0)
        table = PrefillPhaseTable(load, profile, capacity, self.lo, LIMITS, self.link)
        n, utilization = self.replicas[0], self.utilization[0]
        return table.at_rate(utilization / table.utilization(n))

    def decode_table(self) -> DecodePhaseTable:
        """The table of the decode pool at its utilization."""
        case, profile = self._profile(self.decode)
        load, capacity = self.load("decode", 1.0), case.capacity(profile, self.hi)
        table = DecodePhaseTable(load, profile, capacity, self.lo, LIMITS)
        n, utilization = self.replicas[1], self.utilization[1]
        at_rate = table.at_rate(utilization / table.utilization(n))
        assert isinstance(at_rate, DecodePhaseTable)
        return at_rate

    def simulated_s(self, phase: str, requests: int, rng: np.random.Generator) -> float:
        """P99 TTFT or P99 TPOT; the other pool has replicas to spare."""
        prefill, decode = self.prefill_table(), self.decode_table()
        own = prefill if phase == "prefill" else decode
        rate, counts = own.arrival_rate, list(self.replicas)
        other = decode if phase == "prefill" else prefill
        counts[phase == "prefill"] = _spare(other.at_rate(rate).utilization(1))
        return _percentile(self, (prefill, decode), (counts[0], counts[1]), rate, requests, rng)[
            phase == "decode"
        ]

    def simulated_prefill(self, requests: int, rng: np.random.Generator) -> tuple[float, float]:
        """Share of the time that prefill replicas compute, and kilowatts of all their GPUs."""
        prefill, decode = self.prefill_table(), self.decode_table()
        rate = prefill.arrival_rate
        counts = (self.replicas[0], _spare(decode.at_rate(rate).utilization(1)))
        whole_s = requests / rate
        window = Window(0.2 * whole_s, 0.9 * whole_s, whole_s)
        outcome = _played(self, (prefill, decode), counts, rate, requests, rng, window)
        run = measure(outcome, ()).pools["PREFILL"]
        assert run.energy_j is not None
        return run.busy, run.energy_j / (0.7 * whole_s) / 1000.0

    def _profile(self, name: str) -> tuple[Case, ReplicaProfile]:
        case = resolved(self.cdf, _MODEL if "-tp" in name else None)
        return case, case.profile(name)

    @property
    def requests(self) -> Case:
        """The workload."""
        return resolved(self.cdf, None)


@lru_cache(maxsize=8)
def resolved(cdf: str, model: str | None) -> Case:
    """A bundled workload with its profiles."""
    gpus = ("h100", "a100") if model else ("a10g", "a100", "h100")
    problem = FleetProblem(cdf=cdf, arrival_rate=10.0, gpus=gpus, model=model, overlong="clip")
    return Case.of(problem)


def _spare(utilization: float) -> int:
    return max(1, int(np.ceil(2.0 * utilization)))


def _percentile(
    pools: Apart,
    tables: tuple[PrefillPhaseTable, DecodePhaseTable],
    replicas: tuple[int, int],
    rate: float,
    requests: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """P99 TTFT and P99 TPOT of one run."""
    outcome = _played(pools, tables, replicas, rate, requests, rng, Window(0.0, 1e9, 1e9))
    latencies = latencies_s(outcome)
    kept = slice(requests // 5, requests * 9 // 10)
    return (
        float(np.nanpercentile(latencies["ttft"][kept], 99.0)),
        float(np.nanpercentile(latencies["tpot"][kept], 99.0)),
    )


def _played(
    pools: Apart,
    tables: tuple[PrefillPhaseTable, DecodePhaseTable],
    replicas: tuple[int, int],
    rate: float,
    requests: int,
    rng: np.random.Generator,
    window: Window,
) -> FleetOutcome:
    """One run."""
    roles = (Role.PREFILL, Role.DECODE)
    played = tuple(
        FleetPool(
            role.name,
            table.profile.iteration,
            table.capacity,
            n,
            role=role,
            power=table.profile.power,
            gpus_per_replica=table.profile.gpus_per_replica,
        )
        for role, table, n in zip(roles, tables, replicas, strict=True)
    )
    link = pools.link
    lines = SimulatedLink(
        "PREFILL",
        "DECODE",
        link.bytes_per_s,
        link.bytes_per_token,
        link.latency_s,
        link.shared,
        link.overlap_layers,
    )
    lengths, _ = pools.requests.lengths.served(Served(pools.lo, pools.hi))
    drawn = lengths.sample(rng, requests)
    traffic = Traffic(
        np.cumsum(rng.exponential(1.0 / rate, requests)),
        lengths.prompt_tokens[drawn],
        lengths.output_tokens[drawn],
    )
    return simulate_fleet(Fleet(played, ByLength(), links=(lines,)), traffic, window, rng)


TEN = (
    Apart("azure", 0, 8192, "h100", "a100", 1, OWN, (2, 2), (0.3, 0.3)),
    Apart("azure", 0, 8192, "h100", "h100", 1, OWN, (4, 4), (0.7, 0.6)),
    Apart("azure", 0, 8192, "a100", "a10g", 1, OWN, (3, 3), (0.85, 0.7)),
    Apart("azure", 0, 8192, "h100", "a100", 8, OWN, (1, 1), (0.5, 0.5)),
    Apart("azure", 0, 8192, "h100", "h100", 8, OWN, (3, 2), (0.75, 0.8)),
    Apart("azure", 0, 8192, "h100", "a100", 8, SHARED, (3, 6), (0.6, 0.85)),
    Apart("azure", 0, 8192, "h100-tp4", "h100-tp4", 0, OWN, (2, 2), (0.5, 0.4)),
    Apart("azure", 0, 8192, "h100-tp4", "a100-tp4", 0, SLOWER, (4, 3), (0.7, 0.7)),
    Apart("azure", 0, 8192, "a100-tp8", "a100-tp8", 1, OWN, (4, 2), (0.8, 0.8)),
    Apart("lmsys", 0, 4096, "h100", "a100", 4, OWN, (3, 3), (0.6, 0.7)),
)
"""One prompt at a time, in chunks and whole; own lines and a shared one; rho from 0.3 to 0.85."""
