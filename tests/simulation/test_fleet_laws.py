"""What must hold of any fleet, and what theory and other simulators say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from secrets import randbits
from typing import Any

import numpy as np
import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.errors import InputError
from fleetopt.performance.profile import CalibratedProfile, Capacity, IterationTime
from fleetopt.problem import LatencyBound
from fleetopt.simulation import fleet_results
from fleetopt.simulation.failures import Failures
from fleetopt.simulation.fleet import Fleet, simulate_fleet
from fleetopt.simulation.fleet_kernel import run_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_records import (
    ClosedLoop,
    FleetRequests,
    PoolEngine,
    Setting,
    Status,
    Stop,
)
from fleetopt.simulation.fleet_results import DrawnTraffic, FleetResult, replicate_fleet
from fleetopt.simulation.fleet_run import FleetRun, latencies_s
from fleetopt.simulation.kernel import run_pool
from fleetopt.simulation.pool import Horizon
from fleetopt.simulation.records import Engine, Requests, Window, checkpoints
from fleetopt.simulation.routing import ByLength, FewestSequences, RandomPool
from fleetopt.simulation.statistics import mean_interval
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

PROFILES = {name: CalibratedProfile(spec) for name, spec in read_profiles().items()}
AZURE = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(8192)
BOUND = LatencyBound(limit_ms=500.0)
CONFIDENCE = 1.0 - 1e-6
"""A false alarm of one interval is as rare as this."""


def pool(name: str, gpu: str, context: int, replicas: int, **options: Any) -> FleetPool:
    """A pool with reserved slots."""
    profile = PROFILES[gpu]
    capacity = profile.reserved(context)
    return FleetPool(name, profile.iteration, capacity, replicas, power=profile.power, **options)


def runs(fleet: Fleet, rate: float, count: int = 4, entropy: int | None = None) -> list[FleetRun]:
    """A few short replications on Azure's lengths; fresh ones, or paired by their entropy."""
    source = DrawnTraffic((("azure", Poisson(rate), AZURE),))
    seeds = np.random.SeedSequence(entropy).spawn(count)
    with ThreadPoolExecutor(2) as executor:
        return replicate_fleet(
            fleet, source, Horizon(20.0, 60.0, 20.0, 200.0), (BOUND,), seeds, executor
        )


def test_one_pool_is_what_the_pool_simulator_plays() -> None:
    """Six H100 behind a router equal the kernel of a single pool bit for bit."""
    rng = np.random.default_rng()
    times = Poisson(100.0).times(rng, 60.0)
    drawn = AZURE.sample(rng, times.size)
    traffic = Traffic(times, AZURE.prompt_tokens[drawn], AZURE.output_tokens[drawn])
    window = Window(5.0, 50.0, 200.0)
    spec = pool("all", "h100", 8192, 6)
    out = simulate_fleet(Fleet((spec,), ByLength()), traffic, window, rng).trajectory
    engine = Engine.of(spec.iteration, spec.capacity)
    requests = Requests(times, traffic.prompt_tokens, traffic.output_tokens)
    alone = run_pool(engine, 6, requests, window, checkpoints(window))
    for name in ("admitted_s", "prefill_end_s", "end_s", "replica"):
        assert np.array_equal(getattr(out, name), getattr(alone, name), equal_nan=True), name
    assert out.replicas["work"].sum() == alone.totals[0]
    assert out.replicas["context_sum"].sum() == alone.totals[1]


def test_an_overloaded_fleet_is_unstable_and_stops() -> None:
    """One A10G at 200 requests a second: nothing in time, a growing backlog, an early stop."""
    result = FleetResult(
        fleet := Fleet((pool("all", "a10g", 8192, 1),), ByLength()),
        (BOUND,),
        tuple(runs(fleet, 200.0)),
    )
    assert result.unstable
    assert result.attainment().estimate < 0.05
    assert all(run.stop == Stop.DIVERGED for run in result.runs)
    assert result.growth_per_s().estimate == pytest.approx(200.0, rel=0.2)


@pytest.mark.parametrize(
    ("grew", "slopes", "is_unstable"),
    [
        # in every run, whatever the slopes; in half of them, if it grows on average
        ((True, True), (0.1, -0.3), True),
        ((True, False), (3.0, 2.9), True),
        ((True, False), (0.5, -0.4), False),
        ((True, False, False), (3.0, 2.9, 3.1), False),
        ((False, False), (3.0, 2.9), False),
    ],
)
def test_one_rule_says_what_is_unstable(
    grew: tuple[bool, ...], slopes: tuple[float, ...], is_unstable: bool
) -> None:
    fleet = Fleet((pool("all", "h100", 8192, 6),), ByLength())
    (run,) = runs(fleet, 60.0, 1)
    seen = [
        replace(run, pools={"all": replace(run.pools["all"], unstable=up, growth_per_s=slope)})
        for up, slope in zip(grew, slopes, strict=True)
    ]
    result = FleetResult(fleet, (BOUND,), tuple(seen))
    assert result.is_unstable("all") == result.unstable == is_unstable


def test_a_cold_start_and_an_outage_are_no_divergence() -> None:
    """Runs from an empty, sound fleet go to their end, though at first nothing is served."""
    pools = (pool("short", "a100", 4096, 3), pool("long", "h100", 8192, 3))
    failing = Failures(per_node_day=86_400.0 / 40.0, repair_s=15.0, gpus_per_node=3)
    window = Window(0.0, 40.0, 400.0)
    rng = np.random.default_rng()
    for _ in range(60):
        times = Poisson(40.0).times(rng, 40.0)
        drawn = AZURE.sample(rng, times.size)
        traffic = Traffic(times, AZURE.prompt_tokens[drawn], AZURE.output_tokens[drawn])
        for failures in (None, failing):
            fleet = Fleet(pools, ByLength(), failures=failures)
            assert simulate_fleet(fleet, traffic, window, rng).trajectory.stop == Stop.ENDED


@pytest.mark.parametrize("replicas", [3, 4, 5])
def test_one_replica_more_is_not_worse(replicas: int) -> None:
    """On the same arrivals, the attainment that one replica more adds is not below zero."""
    entropy = randbits(128)

    def attained(count: int) -> list[float]:
        found = runs(Fleet((pool("all", "h100", 8192, count),), ByLength()), 100.0, 4, entropy)
        return fleet_results.attained(found).tolist()

    gained = [b - a for a, b in zip(attained(replicas), attained(replicas + 1), strict=True)]
    assert np.mean(gained) >= 0.0


def test_order_of_pools_changes_nothing() -> None:
    """Under routing by length, pools listed the other way round serve every request alike."""
    rng = np.random.default_rng()
    times = Poisson(60.0).times(rng, 40.0)
    drawn = AZURE.sample(rng, times.size)
    traffic = Traffic(times, AZURE.prompt_tokens[drawn], AZURE.output_tokens[drawn])
    pools = (pool("short", "a100", 4096, 3), pool("long", "h100", 8192, 3))
    window = Window(0.0, 40.0, 200.0)
    one, other = (
        simulate_fleet(Fleet(order, ByLength()), traffic, window, rng)
        for order in (pools, pools[::-1])
    )
    for name in ("admitted_s", "prefill_end_s", "end_s"):
        assert np.array_equal(one.column(name), other.column(name), equal_nan=True), name


def test_equal_replicas_may_stand_in_any_pools() -> None:
    """Six replicas as one pool, or as two pools of the same kind with one queue rule."""
    rng = np.random.default_rng()
    times = Poisson(100.0).times(rng, 40.0)
    drawn = AZURE.sample(rng, times.size)
    traffic = Traffic(times, AZURE.prompt_tokens[drawn], AZURE.output_tokens[drawn])
    window = Window(0.0, 40.0, 200.0)
    whole = (pool("all", "h100", 8192, 6),)
    parts = (pool("a", "h100", 8192, 2), pool("b", "h100", 8192, 4))
    one, other = (
        simulate_fleet(Fleet(pools, FewestSequences()), traffic, window, rng)
        for pools in (whole, parts)
    )
    for name in ("admitted_s", "prefill_end_s", "end_s", "replica"):
        assert np.array_equal(one.column(name), other.column(name)), name


def test_refining_breakpoints_changes_nothing() -> None:
    """A CDF with a point more on each of its lines has the same requests and attainment."""
    cdf, _ = read_lengths("azure")
    points = [(0, 0.0), *cdf.cdf]
    refined = []
    for (t0, f0), (t1, f1) in pairwise(points):
        if t1 - t0 >= 2:
            middle = (t0 + t1) // 2
            refined.append((middle, f0 + (f1 - f0) * (middle - t0) / (t1 - t0)))
        refined.append((t1, f1))
    finer = LengthDistribution.from_cdf(cdf.model_copy(update={"cdf": tuple(refined)}))
    horizon = Horizon(20.0, 60.0, 20.0, 200.0)
    finer = finer.clipped(8192)
    assert np.array_equal(finer.prompt_tokens, AZURE.prompt_tokens)
    np.testing.assert_allclose(finer.weights, AZURE.weights, rtol=1e-9)
    attained, entropy = [], randbits(128)
    for lengths in (AZURE, finer):
        source = DrawnTraffic((("azure", Poisson(100.0), lengths),))
        fleet = Fleet((pool("all", "h100", 8192, 4),), ByLength())
        seeds = np.random.SeedSequence(entropy).spawn(5)
        with ThreadPoolExecutor(2) as executor:
            found = replicate_fleet(fleet, source, horizon, (BOUND,), seeds, executor)
        attained.append(
            [1 - r.groups["fleet"].missed[0] / r.groups["fleet"].arrivals for r in found]
        )
    # A draw between two lengths may fall to the other side by rounding, hardly ever.
    np.testing.assert_allclose(*attained, atol=0.01)


def test_requests_agree_with_ciw_one_by_one() -> None:
    """G/G/c on the same arrivals and services: Ciw starts and ends each at the same time.

    A replica without context cost is a G/G/c queue in steps of one iteration. A request that
    never ends keeps it running, so that steps fall on a grid; arrivals between grid points
    join at the next one, where Ciw has them arrive.
    """
    ciw = pytest.importorskip("ciw")
    step_s, servers, n = 2.0**-7, 5, 400
    rng = np.random.default_rng()
    joins = np.cumsum(rng.geometric(0.05, n)) + 10  # of five servers 4.2 are busy
    service = 1 + rng.geometric(0.012, n)
    engine = Engine(step_s, 0.0, 0.0, 0.0, 0, 64, 0, servers + 1, 0, 16)
    size = int(joins[-1] + service.sum())
    arrival_s = np.concatenate(([0.0], (joins - 0.5) * step_s))
    ones, zeros = np.ones(n + 1, dtype=np.int64), np.zeros(n + 1, dtype=np.int64)
    outputs = np.concatenate(([size], service - 1))
    requests = FleetRequests(
        arrival_s, ones, outputs, zeros, ones, -ones, zeros, np.zeros((0, 2), dtype=np.int64)
    )
    window = Window(0.0, size * step_s, np.inf)
    setting = Setting(window, checkpoints(window, 4))
    out = run_fleet([PoolEngine(engine, 1, size + 10)], requests, setting)

    network = ciw.create_network(
        arrival_distributions=[
            ciw.dists.Sequential([*np.diff(joins * step_s, prepend=0.0), np.inf])
        ],
        service_distributions=[ciw.dists.Sequential([*(service * step_s)])],
        number_of_servers=[servers],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(n, method="Finish")
    records = sorted(simulation.get_all_records(), key=lambda r: r.id_number)
    assert [r.service_start_date for r in records] == pytest.approx(out.admitted_s[1:], rel=1e-12)
    assert [r.service_end_date for r in records] == pytest.approx(out.end_s[1:], rel=1e-12)
    assert max(r.waiting_time for r in records) > 0.0


def test_closed_loop_keeps_to_its_clients() -> None:
    """Never more requests in the fleet than clients; Little's law holds over the window."""
    clients, think_s = 12, 0.7
    n = 4000
    rng = np.random.default_rng()
    drawn = AZURE.sample(rng, n)
    traffic = Traffic(np.zeros(n), AZURE.prompt_tokens[drawn], AZURE.output_tokens[drawn])
    loop = ClosedLoop(clients, np.full(n, think_s))
    window = Window(20.0, 620.0, 1e4)
    fleet = Fleet((pool("all", "a100", 8192, 2),), ByLength())
    out = simulate_fleet(fleet, traffic, window, rng, loop=loop)
    came, left = out.arrival_s, out.column("end_s")
    events = np.concatenate((came[~np.isnan(came)], left[~np.isnan(left)]))
    change = np.repeat([1, -1], [np.sum(~np.isnan(came)), np.sum(~np.isnan(left))])
    order = np.lexsort((change, events))
    assert np.cumsum(change[order]).max() <= clients
    ended = (left >= 20.0) & (left < 620.0)
    cycle_s = float((left - came)[ended].mean()) + think_s
    assert clients / cycle_s == pytest.approx(ended.sum() / 600.0, rel=0.02)


def test_growth_admits_more_than_whole_blocks() -> None:
    """Where KV is scarce, blocks taken as sequences grow start requests earlier, at a price."""
    capacity = Capacity(slots=64, kv_blocks=600, block_tokens=16, max_context=4096)
    spec = FleetPool("all", IterationTime(0.01, 1e-7), capacity, 1)
    rng = np.random.default_rng()
    n = 3000
    traffic = Traffic(
        np.cumsum(rng.exponential(0.36, n)), np.full(n, 200), rng.integers(100, 900, n)
    )
    window = Window(0.0, 1e5, 1e6)
    outs = [
        simulate_fleet(Fleet((replace(spec, growth=growth),), ByLength()), traffic, window, rng)
        for growth in (False, True)
    ]
    whole, grown = outs
    assert whole.trajectory.preemptions.sum() == 0 < grown.trajectory.preemptions.sum()
    waits = [float(np.mean(latencies_s(out)["wait"])) for out in outs]
    assert waits[1] < waits[0]
    assert all((out.column("status") == Status.COMPLETED).all() for out in outs)


def test_outages_cost_attainment_and_are_survived() -> None:
    """Failures lose work, every request still ends, and nodes are up as often as they should."""
    failures = Failures(per_node_day=86_400.0 / 60.0, repair_s=20.0, gpus_per_node=2)
    spec = (pool("all", "h100", 8192, 6),)
    healthy, failing = Fleet(spec, ByLength()), Fleet(spec, ByLength(), failures=failures)
    entropy = randbits(128)
    with_failures = runs(failing, 60.0, 40, entropy)
    lost = [
        b.groups["fleet"].missed[0] - a.groups["fleet"].missed[0]
        for a, b in zip(runs(healthy, 60.0, 40, entropy), with_failures, strict=True)
    ]
    assert sum(lost) > 0
    for run in with_failures:
        group = run.groups["fleet"]
        assert group.arrivals == group.completed + sum(group.rejected.values()) + group.unfinished
    assert sum(run.groups["fleet"].restarts for run in with_failures) > 0
    up = mean_interval([run.pools["all"].up for run in with_failures], CONFIDENCE)
    assert up.low <= failures.availability <= up.high


def test_arrivals_during_outages_are_told_apart() -> None:
    """Every arrival is in one of the two groups, and outages are where the SLO is missed."""
    failures = Failures(per_node_day=86_400.0 / 60.0, repair_s=20.0, gpus_per_node=2)
    fleet = Fleet((pool("all", "h100", 8192, 6),), ByLength(), failures=failures)
    found = runs(fleet, 60.0, 40)
    for run in found:
        up, down, whole = (run.groups[name] for name in ("nodes up", "nodes down", "fleet"))
        assert up.arrivals + down.arrivals == whole.arrivals
        assert up.missed[0] + down.missed[0] == whole.missed[0]
    missed = {
        name: sum(run.groups[name].missed[0] for run in found)
        / sum(run.groups[name].arrivals for run in found)
        for name in ("nodes up", "nodes down")
    }
    assert missed["nodes up"] < missed["nodes down"]


def test_outages_that_a_time_falls_into() -> None:
    """Counted one by one: each lasts from its failure to just before its repair."""
    failures = Failures(per_node_day=86_400.0 / 50.0, repair_s=30.0, gpus_per_node=1)
    pools = (pool("one", "h100", 8192, 4), pool("two", "a100", 8192, 3))
    drawn = failures.draw(pools, np.random.default_rng(), 500.0)
    begun: dict[int, float] = {}
    outages = []
    for time_s, first, down in zip(drawn.time_s, drawn.first, drawn.down, strict=True):
        if down:
            begun[first] = time_s
        else:
            outages.append((begun.pop(first), time_s))
    assert not begun
    assert len(outages) > 20
    asked = np.sort(np.concatenate((drawn.time_s, np.linspace(0.0, 600.0, 301))))
    by_hand = [sum(start <= t < end for start, end in outages) for t in asked]
    assert drawn.down_at(asked).tolist() == by_hand


def test_energy_lies_between_idle_and_full() -> None:
    """Energy over the up time is a mean of the curve: above idle, below nominal."""
    run = runs(Fleet((pool("all", "h100", 8192, 6),), ByLength()), 60.0, 1)[0]
    power = PROFILES["h100"].power
    assert power is not None
    energy_j = run.pools["all"].energy_j
    assert energy_j is not None
    assert power.idle_w < energy_j / (6 * run.measured_s) < power.nominal_w


def test_blind_router_counts_what_does_not_fit() -> None:
    """Half of the requests go to the short pool; those beyond its window are missed."""
    pools = (pool("short", "h100", 2048, 3), pool("long", "h100", 8192, 3))
    group = runs(Fleet(pools, RandomPool()), 40.0, 1)[0].groups["fleet"]
    share = 0.5 * AZURE.share(2048, 8192)
    spread = 5 * (share / group.arrivals) ** 0.5
    assert group.misrouted / group.arrivals == pytest.approx(share, abs=spread)
    assert group.missed[0] >= group.misrouted


def test_wrong_fleets_and_traffic_name_all_faults() -> None:
    """No replicas, a window of nothing, twice the same name; times that go back, no tokens."""
    bad = replace(pool("x", "h100", 8192, 0), capacity=Capacity(1, 0, 16, 0))
    traffic = Traffic(np.array([1.0, 0.5]), np.array([1, 0]), np.array([-1, 5]))
    with pytest.raises(InputError) as error:
        simulate_fleet(Fleet((bad, bad), ByLength()), traffic, Window(0, 1, 2), _rng())
    said = str(error.value)
    for part in ("replicas", "context", "names", "request 2: arrival", "request 2: prompt"):
        assert part in said
    assert "request 1: output" in said


def _rng() -> np.random.Generator:
    return np.random.default_rng()
