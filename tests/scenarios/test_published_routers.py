"""Puzzle 5: which router causes SLO violations?

The published table has all three routers within the SLO, because it measures completed requests
only, of one run from an empty start. Here every arrival counts.
"""

from __future__ import annotations

import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem import FleetSimulation, LatencyBound
from fleetopt.questions.fleets import RouterComparison, compare_routers
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.table import Limits
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import LengthDistribution

ROUTERS = ["length", "compress", "random"]


def compared(
    cdf: str, lam: float, slo_ms: float, counts: tuple[int, int], longest: int, **keys: object
) -> RouterComparison:
    pools = [
        {"id": "short", "gpu": "h100", "n_gpus": counts[0], "max_ctx": 4096},
        {"id": "long", "gpu": "h100", "n_gpus": counts[1], "max_ctx": longest},
    ]
    stated = {"pools": pools, "cdf": cdf, "lam": lam, "slo": [f"p99 ttft {slo_ms:g}"], **keys}
    return compare_routers(FleetSimulation.model_validate(stated), ROUTERS)


def agent(**keys: object) -> RouterComparison:
    return compared("agent_heavy", 20.0, 1000.0, (2, 23), 65_536, **keys)


def misrouted_share(cdf: str, longest: int) -> float:
    """Share that the random router sends where it does not fit: half of what is too long."""
    lengths = LengthDistribution.from_cdf(read_lengths(cdf)[0]).clipped(longest)
    return 0.5 * lengths.share(4096, longest)


def test_agent_random_misses_what_it_sends_where_it_does_not_fit() -> None:
    found = agent(n_req=20_000, replications=2)
    length, compress, random = (routed.simulation for routed in found.routers)
    for simulation in (length, compress):
        assert simulation.standing == "pass"
        assert simulation.fleet.misrouted.estimate == 0.0
    wanted = misrouted_share("agent_heavy", 65_536)
    assert random.standing == "fail"
    assert random.fleet.misrouted.estimate == pytest.approx(wanted, abs=0.01)
    assert random.fleet.attained[0].estimate == pytest.approx(1 - wanted, abs=0.01)
    assert found.best != 2


def test_azure_compression_overloads_the_short_pool() -> None:
    """By the true work of what is compressed: rho of the short pool is above 1, and only then."""
    lengths = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(8192)
    h100 = CalibratedProfile(read_profiles()["h100"])
    capacity = h100.reserved(4096)
    loads = load_table(lengths.split_at([4096, 6144]), h100.iteration)
    rho = []
    for gamma, share in ((1.0, 0.0), (1.5, 0.75)):
        load = loads.serving(Served(0, 4096, 1.0, gamma, share), 200.0)
        table = OccupancyTable(load, h100, capacity, 0, Limits((LatencyBound(limit_ms=500.0),)))
        rho.append(table.utilization(5))
    assert rho[0] < 0.85 < 1.0 < rho[1]
    found = compared("azure", 200.0, 500.0, (5, 7), 8192, n_req=60_000, replications=2)
    length, compress, random = (routed.simulation for routed in found.routers)
    assert length.standing == "pass"
    assert compress.standing == "unstable"
    assert [pool.unstable for pool in compress.pools] == [True, False]
    assert random.standing == "fail"
    assert random.fleet.misrouted.estimate == pytest.approx(
        misrouted_share("azure", 8192), abs=0.01
    )
    assert found.best == 0


@pytest.mark.slow
def test_agent_by_the_law_of_the_longest_residence() -> None:
    """Eight replications: the paired difference is sharper than the two intervals."""
    found = agent()
    length, compress, random = found.routers
    assert found.best == 1
    assert length.p99_more_ms.low > 0.0
    assert random.attainment_less.low > 0.22
    published = {"LengthRouter": 495, "CompressAndRoute": 534, "RandomRouter": 292}
    for routed in (length, compress, random):
        p99 = routed.simulation.fleet.latency_ms["ttft"]["p99"]
        assert p99.high < published[routed.title]
