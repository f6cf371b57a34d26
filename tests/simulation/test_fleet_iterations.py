"""Noted iterations against the compiled run: times, batches and prompts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.simulation.failures import Failures
from fleetopt.simulation.fleet import Fleet, FleetOutcome, simulate_fleet
from fleetopt.simulation.fleet_iterations import Iteration, first_iterations
from fleetopt.simulation.fleet_model import FleetPool
from fleetopt.simulation.fleet_records import ClosedLoop
from fleetopt.simulation.fleet_results import DrawnTraffic
from fleetopt.simulation.records import Window
from fleetopt.simulation.routing import CompressAndRoute
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

AZURE = LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(8192)
FIRST = 120
H100 = CalibratedProfile(read_profiles()["h100"])
CHUNK = H100.iteration.chunk_tokens


def run(failing: bool, loop: ClosedLoop | None) -> FleetOutcome:
    """Two pools with compression, which changes prompts and the order of arrivals."""
    pools = tuple(
        FleetPool(name, H100.iteration, H100.reserved(context), 2)
        for name, context in (("short", 2048), ("long", 8192))
    )
    rng = np.random.default_rng(4)
    traffic = DrawnTraffic((("all", Poisson(15.0), AZURE),)).draw(rng, 40.0)
    failures = Failures(86_400.0 / 10.0, 3.0, 2) if failing else None
    fleet = Fleet(pools, CompressAndRoute(2048), failures=failures)
    return simulate_fleet(fleet, traffic, Window(0.0, 40.0, 400.0), rng, loop=loop)


@pytest.mark.parametrize(
    ("failing", "loop"),
    [(False, None), (True, None), (False, ClosedLoop(9, np.zeros(0), 1))],
)
def test_iterations_are_those_of_the_run(failing: bool, loop: ClosedLoop | None) -> None:
    """They follow each other on a replica; requests end their prefill and leave with one of
    them, at the same instant; and each request is in as many as it needs.
    """
    outcome = run(failing, loop)
    seen, out = first_iterations(outcome, FIRST), outcome.trajectory
    until_s = float(out.arrival_s[FIRST])
    ends = {(one.replica, one.end_s) for one in seen}
    early = np.flatnonzero(out.end_s < until_s)
    assert early.size > FIRST / 5
    for q in early:
        assert (out.replica[q], out.prefill_end_s[q]) in ends
        assert (out.replica[q], out.end_s[q]) in ends
    for one, following in _neighbours(seen):
        assert following.start_s >= one.end_s
    assert max(one.end_s for one in seen) < until_s
    if not failing:
        q = early[np.argmax(outcome.requests.prompt_tokens[early])]
        mine = [
            one
            for one in seen
            if one.replica == out.replica[q] and out.admitted_s[q] < one.end_s <= out.end_s[q]
        ]
        work = -(-outcome.requests.prompt_tokens[q] // CHUNK) + out.served_tokens[q]
        assert work <= len(mine) <= work + 1  # it may have come inside an iteration


def test_prompts_are_prefilled_once() -> None:
    """Over a run of these requests alone, prefilled tokens are those of all prompts."""
    outcome = run(failing=False, loop=None)
    seen = first_iterations(outcome, len(outcome.traffic))
    assert sum(one.prefill_tokens for one in seen) == outcome.requests.prompt_tokens.sum()
    for one in seen:
        assert 0 <= one.prefilling <= one.sequences
        assert one.prefill_tokens <= CHUNK * one.prefilling


def _neighbours(seen: list[Iteration]) -> list[tuple[Iteration, Iteration]]:
    ordered = sorted(seen, key=lambda one: (one.replica, one.start_s))
    return [(a, b) for a, b in pairwise(ordered) if a.replica == b.replica]
