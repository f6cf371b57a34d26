"""Latencies as multiples of what each request takes by itself."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.simulation.fleet import Fleet, FleetOutcome, simulate_fleet
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, KvLink, Traffic
from fleetopt.simulation.records import Window
from fleetopt.simulation.routing import ByLength
from fleetopt.simulation.slowdown import SLOWED, Alone, slowdowns

TIME = IterationTime(0.04, 1e-6, 0.03, 2e-4, "current", 512, 512)
MACHINE = Capacity(8, 0, 16, 8192)


def alone_of(traffic: Traffic) -> Alone:
    return Alone.on(TIME, traffic.prompt_tokens, traffic.output_tokens)


def simulated(traffic: Traffic, *pools: FleetPool, links: tuple[KvLink, ...] = ()) -> FleetOutcome:
    fleet = Fleet(pools, ByLength(), links=links)
    return simulate_fleet(fleet, traffic, Window(0.0, 1e4, 1e5), np.random.default_rng())


@pytest.mark.parametrize("context", ["current", "total"])
def test_a_request_by_itself_is_not_slowed_down(context: str) -> None:
    """Hours apart, on an idle replica: all three are 1, but for what the fit of contexts leaves."""
    rng = np.random.default_rng()
    time = TIME if context == "current" else IterationTime(0.04, 1e-6, chunk_tokens=512)
    sizes = rng.integers(1, 3000, 40), rng.integers(1, 400, 40)
    traffic = Traffic(np.arange(40) * 100.0, *sizes)
    run = simulated(traffic, FleetPool("p", time, MACHINE, 1))
    found = slowdowns(run, Alone.on(time, *sizes))
    for metric in SLOWED:
        assert found[metric] == pytest.approx(np.ones(40), rel=0.01)


def test_transfer_and_wait_are_between_tokens() -> None:
    """1 s of transfer and 10 tokens: TTFT is that of an idle replica, TBT is 0.1 s longer."""
    traffic = Traffic(np.zeros(1), np.array([500]), np.array([10]))
    pools = (
        FleetPool("p", TIME, MACHINE, 1, role=Role.PREFILL),
        FleetPool("d", TIME, MACHINE, 1, role=Role.DECODE),
    )
    run = simulated(traffic, *pools, links=(KvLink("p", "d", 1e9, 2e6),))
    alone, found = alone_of(traffic), slowdowns(run, alone_of(traffic))
    token_s, prefill_s = float(alone.token_s[0]), float(alone.prefill_s[0])
    assert found["ttft"] == pytest.approx([1.0])
    assert found["tbt"] == pytest.approx([(token_s + 0.1) / token_s], rel=1e-3)
    whole_s = prefill_s + 10 * token_s
    assert found["e2e"] == pytest.approx([(whole_s + 1.0) / whole_s], rel=1e-3)


def test_what_never_ends_is_infinitely_slow() -> None:
    """A prompt that no replica holds."""
    traffic = Traffic(np.zeros(2), np.array([9000, 500]), np.array([10, 10]))
    found = slowdowns(simulated(traffic, FleetPool("p", TIME, MACHINE, 1)), alone_of(traffic))
    for metric in SLOWED:
        assert np.isinf(found[metric][0])
        assert found[metric][1] == pytest.approx(1.0, rel=0.01)
