"""Prefill and decode apart: kernel and twin agree, and nothing is lost on the way."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from small_fleets import phased_fleets
from test_fleet_kernel_against_twin import Fleet, agrees

from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import REJECTED, FleetTrajectory, Status, Stop


def check_conservation(out: FleetTrajectory, fleet: Fleet) -> None:
    """Requests and KV over all phases, with restarts, rejections and an early end."""
    pools, requests, setting = fleet
    ended = ~np.isnan(out.end_s)
    assert (
        ended.sum() + np.isin(out.status, REJECTED).sum() + (out.status == Status.UNFINISHED).sum()
        == requests.prompt_tokens.size
    )
    handed = int((out.handovers * requests.prompt_tokens).sum())
    moved = int(out.lines["sent_tokens"].sum() + out.lines["lost_tokens"].sum())
    roles = np.array([pool.role for pool in pools])
    at = np.where(out.pool < 0, Role.MIXED, roles[out.pool])
    prefilled = (at == Role.PREFILL) & ~np.isnan(out.prefill_end_s)
    on_the_way = prefilled & (out.status == Status.UNFINISHED)
    assert np.isnan(out.landed_s[on_the_way]).all()
    assert handed == moved + int(requests.prompt_tokens[on_the_way].sum())
    assert out.handovers.sum() >= out.lines["transfers"].sum()
    apart = ended & ~np.isnan(out.landed_s)
    entered = np.where(out.entered < 0, Role.MIXED, roles[out.entered])
    assert (entered != Role.DECODE).all()
    assert np.array_equal(apart, ended & (entered == Role.PREFILL))
    assert (out.prefill_end_s[apart] <= out.landed_s[apart]).all()
    assert (out.landed_s[apart] < out.end_s[apart]).all()
    assert (out.pool[apart] != out.entered[apart]).all()
    assert (at[ended] != Role.PREFILL).all()
    if out.stop == Stop.ENDED:
        measured = out.arrival_s < setting.window.measure_end_s
        assert not ((out.status == Status.UNFINISHED) & measured).any()


@settings(max_examples=150)
@given(phased_fleets())
def test_phases_equal_their_twin(fleet: Fleet) -> None:
    """Over all rules, admissions, preemption, faults, limits, loops and links."""
    check_conservation(agrees(fleet), fleet)
