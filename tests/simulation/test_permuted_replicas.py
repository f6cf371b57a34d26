"""Replicas of a pool are alike: other names for them change nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_fleets import pool_engines, requests_for

from fleetopt.simulation.fleet_kernel import run_fleet
from fleetopt.simulation.fleet_records import (
    ClosedLoop,
    Faults,
    FleetRequests,
    FleetTrajectory,
    Limits,
    PoolEngine,
    Rule,
    Setting,
)
from fleetopt.simulation.records import Ints, Window, checkpoints

BY_REPLICA = ("replica", "replicas", "occupancy_s")


@dataclass(frozen=True)
class Renamed:
    """A fleet, and new names of its replicas: r becomes names[r], in the same pool."""

    pools: list[PoolEngine]
    requests: FleetRequests
    setting: Setting
    names: Ints

    def run(self, names: Ints) -> FleetTrajectory:
        """The fleet with its drawn choices and its failures under other names."""
        faults = self.setting.faults
        first = names[faults.first]
        setting = self.setting._replace(faults=faults._replace(first=first, last=first + 1))
        requests = self.requests._replace(choices=names[self.requests.choices])
        return run_fleet(self.pools, requests, setting)


@st.composite
def renamed(draw: st.DrawFn) -> Renamed:
    """Each request joins the emptier of its two replicas; one replica at a time is down.

    Equal counts then fall to the replica that was drawn first, whatever its name, and one
    of the two is always up: the lowest index never decides.
    """
    pools = draw(st.lists(pool_engines(), min_size=1, max_size=2))
    pools = [pool._replace(replicas=draw(st.integers(2, 4))) for pool in pools]
    size = sum(pool.replicas for pool in pools)
    requests = draw(requests_for(len(pools), size))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = requests.prompt_tokens.size
    choices = rng.permuted(np.tile(np.arange(size), (n, 1)), axis=1)[:, :2]
    ends = np.cumsum([pool.replicas for pool in pools])
    parts = np.split(np.arange(size), ends[:-1])
    window = Window(0.1, draw(st.sampled_from([0.5, 11.0])), 60.0)
    setting = Setting(
        window,
        checkpoints(window, 40),
        Rule.TWO_CHOICES,
        loop=ClosedLoop(draw(st.sampled_from([0, 6]))),
        faults=_outages(rng, size, draw(st.integers(0, 4))),
        limits=Limits(timeout_s=draw(st.sampled_from([np.inf, 0.4]))),
    )
    names = np.concatenate([rng.permutation(part) for part in parts])
    return Renamed(pools, requests._replace(choices=choices), setting, names)


def _outages(rng: np.random.Generator, replicas: int, count: int) -> Faults:
    """Outages of single replicas, one after the other."""
    times = np.cumsum(rng.uniform(0.05, 0.6, 2 * count))
    down = np.repeat(rng.integers(0, replicas, count), 2)
    return Faults(times, down, down + 1, np.tile(np.array([1, 0]), count))


@settings(max_examples=150)
@given(renamed())
def test_permuting_replicas_changes_nothing(fleet: Renamed) -> None:
    """Every request fares alike, to the last bit, at the replica of the other name."""
    one = fleet.run(np.arange(fleet.names.size))
    other = fleet.run(fleet.names)
    for name, ours, theirs in zip(FleetTrajectory._fields, one, other, strict=True):
        if name not in BY_REPLICA:
            assert np.array_equal(ours, theirs, equal_nan=name.endswith("_s")), name
    sent = one.replica >= 0
    assert np.array_equal(sent, other.replica >= 0)
    assert np.array_equal(fleet.names[one.replica[sent]], other.replica[sent])
    assert one.replicas.tolist() == other.replicas[fleet.names].tolist()
    for ours, theirs in zip(one.occupancy_s, other.occupancy_s, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
