"""The compiled fleet equals its plain twin bit for bit, and both keep the laws."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from small_fleets import crowds, fleets

from fleetopt.simulation import fleet_kernel, fleet_reference
from fleetopt.simulation.fleet_records import (
    REJECTED,
    FleetRequests,
    FleetTrajectory,
    PoolEngine,
    Setting,
    Status,
    Stop,
)

Fleet = tuple[list[PoolEngine], FleetRequests, Setting]


def agrees(fleet: Fleet) -> FleetTrajectory:
    """Run kernel and twin; every number is the same to the last bit."""
    fast = fleet_kernel.run_fleet(*fleet)
    slow = fleet_reference.run_fleet(*fleet)
    for name, ours, theirs in zip(FleetTrajectory._fields, fast, slow, strict=True):
        if name == "occupancy_s":
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)), name
        elif name in ("replicas", "lines"):
            assert ours.tolist() == theirs.tolist(), name
        else:
            assert np.array_equal(ours, theirs, equal_nan=name.endswith("_s")), name
    return fast


def check_laws(out: FleetTrajectory, fleet: Fleet) -> None:
    """Arrivals = completed + rejected + unfinished; times in order; a long run ends them all."""
    pools, requests, setting = fleet
    ended = ~np.isnan(out.end_s)
    completed = np.isin(out.status, [Status.COMPLETED, Status.TRUNCATED])
    rejected = np.isin(out.status, REJECTED)
    unfinished = out.status == Status.UNFINISHED
    assert (ended == completed).all()
    assert completed.sum() + rejected.sum() + unfinished.sum() == requests.prompt_tokens.size
    assert (out.arrival_s[ended] <= out.admitted_s[ended]).all()
    assert (out.admitted_s[ended] < out.prefill_end_s[ended]).all()
    assert (out.prefill_end_s[ended] < out.end_s[ended]).all()
    cut = out.status == Status.TRUNCATED
    windows = np.array([pool.max_context for pool in pools])
    totals = requests.prompt_tokens + out.served_tokens
    assert (totals[cut] == windows[out.pool[cut]]).all()
    assert (totals[completed] <= windows[out.pool[completed]]).all()
    loop = setting.loop
    sent = ~np.isnan(out.arrival_s)
    if not loop.clients:
        assert not out.client.any()
        assert np.array_equal(out.arrival_s, requests.arrival_s)
    else:
        assert (np.diff(out.arrival_s[sent]) >= 0).all()
        opened = out.arrival_s[sent & (out.client == 0)]
        assert np.array_equal(opened, requests.arrival_s[: opened.size])
        assert loop.is_beside or not opened.size
    if out.stop == Stop.ENDED:
        measured = out.arrival_s < setting.window.measure_end_s
        assert not (unfinished & measured).any()
    assert out.preemptions.sum() == out.replicas["preemptions"].sum()
    assert out.restarts.sum() == out.replicas["restarts"].sum()


@settings(max_examples=500)
@given(fleets())
def test_fleet_kernel_equals_twin(fleet: Fleet) -> None:
    """Over all rules, admissions, preemption, faults, limits and loops."""
    check_laws(agrees(fleet), fleet)


@settings(max_examples=100)
@given(crowds())
def test_sequences_that_evict_each_other_finish(fleet: Fleet) -> None:
    """Preempted again and again, all of them end; the oldest of a replica never is."""
    out = agrees(fleet)
    check_laws(out, fleet)
    assert (out.status == Status.COMPLETED).all()
    for r in np.unique(out.replica):
        assert out.preemptions[np.argmax(out.replica == r)] == 0
