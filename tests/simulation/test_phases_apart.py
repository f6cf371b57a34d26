"""Prefill and decode apart: small fleets by hand, queueing theory, and whole statements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from fleetopt.errors import InputError
from fleetopt.performance.kv_link import KvLink as TableLink
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.queueing.placement import inter_op_ttft_s, intra_op_ttft_s, single_ttft_s
from fleetopt.simulation.fleet import Fleet, simulate_fleet
from fleetopt.simulation.fleet_kernel import run_fleet
from fleetopt.simulation.fleet_links import Link, Role
from fleetopt.simulation.fleet_model import FleetPool, KvLink, Traffic
from fleetopt.simulation.fleet_records import (
    Faults,
    FleetRequests,
    FleetTrajectory,
    PoolEngine,
    Setting,
    Status,
)
from fleetopt.simulation.fleet_run import latencies_s, measure
from fleetopt.simulation.records import Engine, Window, checkpoints
from fleetopt.simulation.routing import ByLength
from fleetopt.simulation.statistics import mean_interval

CONFIDENCE = 1.0 - 1e-6
"""A false alarm of one interval is as rare as this."""
FOREVER = Window(0.0, 1e6, 1e9)


def pool(step_s: float, slots: int, role: Role, replicas: int = 1) -> PoolEngine:
    """Iterations of a constant time, whole prompts in one of them."""
    engine = Engine(step_s, 0.0, 0.0, 0.0, 0, 10**6, 0, slots, 0, 16)
    return PoolEngine(engine, replicas, 10**6, role=role)


def requests(arrival_s: Sequence[float], prompt: int = 100, output: int = 1) -> FleetRequests:
    """Equal requests for pool 0."""
    n = len(arrival_s)
    same = np.ones(n, dtype=np.int64)
    return FleetRequests(
        np.asarray(arrival_s, dtype=np.float64), prompt * same, output * same, 0 * same,
        (prompt + output) * same, -same, 0 * same, np.zeros((0, 2), dtype=np.int64),
    )  # fmt: skip


def run(
    pools: Sequence[PoolEngine],
    links: tuple[Link, ...],
    arriving: FleetRequests,
    faults: Faults | None = None,
) -> FleetTrajectory:
    """A run until everything has ended."""
    setting = Setting(FOREVER, checkpoints(FOREVER, 4), links=links)
    return run_fleet(pools, arriving, setting._replace(faults=faults or Faults.none()))


@pytest.mark.parametrize(("by_replica", "landed"), [(0, [1.5, 2.0, 2.5]), (1, [1.5, 1.5, 1.5])])
def test_transfers_share_a_line_or_have_their_own(by_replica: int, landed: list[float]) -> None:
    """Three prompts end at 1 s on three replicas; each transfer takes 0.1 + 100 * 0.004 s."""
    pools = [pool(1.0, 1, Role.PREFILL, 3), pool(0.25, 4, Role.DECODE, 3)]
    out = run(pools, (Link(0, 1, 0.004, 0.1, by_replica),), requests([0.0, 0.0, 0.0], output=2))
    assert out.prefill_end_s.tolist() == [1.0] * 3
    assert out.landed_s == pytest.approx(landed)
    assert out.end_s == pytest.approx([t + 0.5 for t in landed])
    assert out.lines["sent_tokens"].sum() == 300
    assert out.lines["busy_s"].sum() == pytest.approx(1.5)


def test_a_prompt_keeps_its_slot_until_its_kv_has_left() -> None:
    """One slot: the second prompt begins when the first one's transfer has ended, at 4 s."""
    pools = [pool(1.0, 1, Role.PREFILL), pool(0.25, 4, Role.DECODE)]
    out = run(pools, (Link(0, 1, 0.03),), requests([0.0, 0.0]))
    assert out.admitted_s.tolist() == [0.0, 4.0]
    assert out.landed_s.tolist() == [4.0, 8.0]


@pytest.mark.parametrize(
    ("transfer_s", "landed_s"), [(0.4, 1.1), (1.0, 1.25), (3.0, 3.0)], ids=["last", "layer", "long"]
)
def test_layers_are_sent_during_the_prefill(transfer_s: float, landed_s: float) -> None:
    """What is left of a transfer after a prefill of 1 s is max(last of 4 layers, transfer - 1)."""
    pools = [pool(1.0, 1, Role.PREFILL), pool(0.25, 4, Role.DECODE)]
    out = run(pools, (Link(0, 1, transfer_s / 100, layers=4),), requests([0.0]))
    assert out.landed_s == pytest.approx([landed_s])
    assert out.lines["busy_s"] == pytest.approx([transfer_s])
    link = TableLink(100.0, 100.0 * 100 / transfer_s, overlap_layers=4)
    left_s = link.left_s(np.array([100.0]), np.array([1.0]))
    assert left_s == pytest.approx([landed_s - 1.0])


def test_overlapping_transfers_share_the_bandwidth() -> None:
    """Three prompts of 1 s end at once; a shared line sends 0.8 s of each, from time 0 on."""
    pools = [pool(1.0, 1, Role.PREFILL, 3), pool(0.25, 4, Role.DECODE)]
    out = run(pools, (Link(0, 1, 0.008, layers=4),), requests([0.0] * 3))
    assert out.landed_s == pytest.approx([1.2, 1.6, 2.4])
    assert out.lines["busy_s"] == pytest.approx([2.4])


def test_overlap_takes_no_longer() -> None:
    """The same prompts with and without overlap, on a busy line of their own."""
    rng = np.random.default_rng()
    arriving = requests(np.cumsum(rng.exponential(1.3, 400)).tolist())
    pools = [pool(1.0, 3, Role.PREFILL), pool(0.1, 99, Role.DECODE)]
    after, during = (run(pools, (Link(0, 1, 0.008, 0.0, 1, n),), arriving) for n in (1, 8))
    assert (during.landed_s <= after.landed_s + 1e-9).all()
    assert (during.landed_s >= during.prefill_end_s + 0.1 - 1e-9).all()
    assert during.lines["sent_tokens"].sum() == after.lines["sent_tokens"].sum() == 40_000


def test_kv_waits_for_a_slot_where_it_landed() -> None:
    """One decode slot: four prompts at 1, 2, 3 and 4 s decode for 5 s, one after the other."""
    pools = [pool(1.0, 1, Role.PREFILL), pool(0.5, 1, Role.DECODE)]
    out = run(pools, (Link(0, 1, 0.0),), requests([0.0] * 4, output=10))
    assert out.landed_s.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert out.end_s.tolist() == [6.0, 11.0, 16.0, 21.0]


def test_a_mixed_pool_takes_prompts_and_kv() -> None:
    """KV goes where the emptiest replica has the fewest sequences: first to 1, then to 2."""
    pools = [pool(1.0, 4, Role.PREFILL), pool(1.0, 4, Role.DECODE), pool(1.0, 4, Role.MIXED)]
    arriving = requests([0.0, 0.0, 0.5], output=3)
    arriving = arriving._replace(pool=np.array([0, 0, 2]))
    out = run(pools, (Link(0, 1, 0.0), Link(0, 2, 0.0)), arriving)
    assert out.pool.tolist() == [1, 1, 2]
    arriving = requests([0.0, 2.5, 2.5], output=9)._replace(pool=np.array([0, 2, 0]))
    out = run(pools, (Link(0, 2, 0.0), Link(0, 1, 0.0)), arriving)
    assert out.pool.tolist() == [2, 2, 1]
    assert np.isnan(out.landed_s).tolist() == [False, True, False]


def test_a_failed_source_loses_what_it_was_sending() -> None:
    """It fails at 2 s, in the middle of the transfer, and begins anew at 5 s."""
    pools = [pool(1.0, 1, Role.PREFILL), pool(0.5, 1, Role.DECODE)]
    times = np.array([2.0, 5.0])
    faults = Faults(times, np.array([0, 0]), np.array([1, 1]), np.array([1, 0]))
    out = run(pools, (Link(0, 1, 0.02),), requests([0.0]), faults)
    assert out.landed_s.tolist() == [8.0]
    assert (out.handovers[0], out.restarts[0]) == (2, 1)
    assert (out.lines["lost_tokens"][0], out.lines["sent_tokens"][0]) == (100, 100)
    assert out.lines["busy_s"][0] == pytest.approx(1.0 + 2.0)


def test_a_failed_target_sends_requests_back_to_prefill() -> None:
    """Decode fails at 2 s; the request is prefilled again and waits for the repair at 9 s."""
    pools = [pool(1.0, 1, Role.PREFILL), pool(0.5, 1, Role.DECODE)]
    times = np.array([2.0, 9.0])
    faults = Faults(times, np.array([1, 1]), np.array([2, 2]), np.array([1, 0]))
    out = run(pools, (Link(0, 1, 0.0),), requests([0.0], output=4), faults)
    assert (out.landed_s[0], out.end_s[0]) == (3.0, 11.0)
    assert (out.entered[0], out.pool[0], out.restarts[0]) == (0, 1, 1)


@pytest.mark.parametrize("form", ["single", "inter-op", "intra-op"])
def test_simulated_prefill_is_the_closed_form(form: str) -> None:
    """D = 0.1 s at 5 prompts per second, one at a time."""
    expected = {
        "single": single_ttft_s(0.1, 5.0),
        "inter-op": inter_op_ttft_s(0.1, 5.0),
        "intra-op": intra_op_ttft_s(0.1, 5.0, 1.6),
    }[form]
    means = []
    for rng in np.random.default_rng().spawn(24):
        arrival_s = np.cumsum(rng.exponential(0.2, 20_000))
        if form == "inter-op":
            left_s = through_line(through_line(arrival_s, 0.05), 0.05)
        else:
            left_s = through_replica(arrival_s, 0.1 if form == "single" else 0.1 / 1.6)
        means.append(float((left_s - arrival_s)[500:].mean()))
    found = mean_interval(means, CONFIDENCE)
    assert found.low < expected < found.high
    assert found.high - found.low < 0.05 * expected


def through_replica(arrival_s: np.ndarray, prefill_s: float) -> np.ndarray:
    """When prompts have left a replica that takes them one at a time, and a link of no time."""
    pools = [pool(prefill_s, 1, Role.PREFILL), pool(1e-6, 64, Role.DECODE)]
    return run(pools, (Link(0, 1, 0.0),), requests(arrival_s)).landed_s


def through_line(arrival_s: np.ndarray, stage_s: float) -> np.ndarray:
    """When prompts have left a stage of a pipeline: a line, before which they do no work."""
    pools = [pool(1e-9, 10**5, Role.PREFILL), pool(1e-6, 64, Role.DECODE)]
    return run(pools, (Link(0, 1, 0.0, stage_s),), requests(arrival_s)).landed_s


def fleet(**link: object) -> Fleet:
    """One H100-like prefill replica, two that decode, and a link of 10 tokens per ms."""
    time = IterationTime(0.01, 1e-6, chunk_tokens=512)
    pools = (
        FleetPool("p", time, Capacity(4, 0, 16, 4096), 1, role=Role.PREFILL),
        FleetPool("d", time, Capacity(16, 0, 16, 4096), 2, role=Role.DECODE),
    )
    stated = {"bytes_per_s": 1e9, "kv_bytes_per_token": 1e5, **link}
    return Fleet(pools, ByLength(), links=(KvLink("p", "d", **stated),))


def test_latencies_of_a_fleet_count_the_transfer() -> None:
    """TTFT ends when the KV has landed; the pools count the requests that they served."""
    rng = np.random.default_rng()
    n = 400
    traffic = Traffic(
        np.cumsum(rng.exponential(0.1, n)), rng.integers(1, 900, n), rng.integers(1, 60, n)
    )
    out = simulate_fleet(fleet(), traffic, Window(0.0, 1e3, 1e6), rng)
    landed_s, end_s = out.column("landed_s"), out.column("end_s")
    found = latencies_s(out)
    assert (out.column("status") == Status.COMPLETED).all()
    assert found["ttft"] == pytest.approx(landed_s - traffic.arrival_s)
    assert found["tpot"] == pytest.approx((end_s - landed_s) / traffic.output_tokens)
    assert (landed_s - out.column("prefill_end_s") >= 0.99e-4 * traffic.prompt_tokens).all()
    seen = measure(out, ())
    assert {name: group.arrivals for name, group in seen.groups.items()} == {
        "fleet": n, "pool p": n, "pool d": n,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ({"bytes_per_s": 0.0}, "bytes per second above 0"),
        ({"latency_s": -1.0}, "a latency of 0 s or more"),
        ({"kv_bytes_per_token": -1.0}, "KV bytes per token"),
    ],
)
def test_links_that_cannot_be(link: dict[str, float], said: str) -> None:
    assert [said in str(fault) for fault in fleet(**link).faults()] == [True]


def test_every_phase_needs_its_other_half() -> None:
    """Without a link neither pool is any use; nor is a fleet that only decodes."""
    whole = fleet()
    apart = Fleet(whole.pools, ByLength())
    assert len(apart.faults()) == 2
    assert len(Fleet(whole.pools[1:], ByLength()).faults()) == 2
    with pytest.raises(InputError, match="no link takes its KV"):
        simulate_fleet(
            apart, Traffic(np.zeros(1), np.ones(1, int), np.ones(1, int)), FOREVER,
            np.random.default_rng(),
        )  # fmt: skip
