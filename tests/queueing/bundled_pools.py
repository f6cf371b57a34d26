"""Pools of the bundled workloads and profiles, for the tests of this folder."""

from __future__ import annotations

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile, Capacity
from fleetopt.problem import LatencyBound
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import Load, LoadTable
from fleetopt.queueing.table import Limits
from fleetopt.workload.lengths import LengthDistribution

PROFILES = {name: CalibratedProfile(spec) for name, spec in read_profiles().items()}
WORKLOADS = {
    name: LengthDistribution.from_cdf(read_lengths(name)[0])
    for name in ("azure", "lmsys", "agent_heavy")
}
TTFT = LatencyBound(metric="ttft", limit_ms=500.0)
LIMITS = Limits((TTFT,))


def load(workload: str, gpu: str, rate: float, lo: int = 0, hi: int = 65536) -> Load:
    """The load of an arc of a bundled workload at a rate of its own."""
    return LoadTable(WORKLOADS[workload], PROFILES[gpu].iteration).between(lo, hi, rate)


def capacity(gpu: str, hi: int, admission: str = "reserved") -> Capacity:
    """Capacity of a replica under an admission rule."""
    profile = PROFILES[gpu]
    return profile.reserved(hi) if admission == "reserved" else profile.paged(hi, 256)


def table(
    workload: str,
    gpu: str,
    rate: float,
    lo: int = 0,
    hi: int = 65536,
    admission: str = "reserved",
    limits: Limits = LIMITS,
) -> OccupancyTable:
    """The feasibility table of such a pool."""
    return OccupancyTable(
        load(workload, gpu, rate, lo, hi), PROFILES[gpu], capacity(gpu, hi, admission), lo, limits
    )
