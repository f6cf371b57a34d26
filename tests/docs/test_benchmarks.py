"""The benchmarks run, and compare like with like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.__main__ import find_subjects
from benchmarks.figures import Figure, Target
from benchmarks.subjects import fleet_peers, simulator
from benchmarks.timing import fastest_process
from fleetopt.simulation.fleet_records import PoolEngine
from fleetopt.simulation.records import Floats, Requests


def test_every_subject_has_its_name() -> None:
    assert set(find_subjects()) == {
        "commands",
        "energy",
        "fleet peers",
        "fleets",
        "simulator",
        "solver",
        "tables",
        "two pools",
        "whatif",
    }


@pytest.mark.parametrize(
    ("target", "value", "holds"),
    [
        (Target("at least", 2.0), 2.0, True),
        (Target("at least", 2.0), 1.9, False),
        (Target("at most", 2.0), 2.1, False),
        (None, 2.0, None),
    ],
)
def test_figure_knows_whether_its_target_holds(
    target: Target | None, value: float, holds: bool | None
) -> None:
    assert Figure("speed", value, "s", target).holds is holds


def test_process_is_timed_and_weighed() -> None:
    process = fastest_process(["--version"], repeats=1)
    assert 0.0 < process.seconds < 30.0
    assert 5.0 < process.peak_mib < 1000.0


def test_failing_process_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no-such-command"):
        fastest_process(["no-such-command"], repeats=1)


@pytest.mark.parametrize(
    ("own", "pools"),
    [
        (simulator.run_kernel, [simulator.pool()]),
        (fleet_peers.run_fleet, fleet_peers.pools()),
    ],
)
def test_simpy_plays_the_same_model(
    own: Callable[[Requests], Floats], pools: list[PoolEngine]
) -> None:
    pytest.importorskip("simpy")
    from benchmarks.simpy_fleet import run_simpy

    requests = simulator.draw(2000)
    np.testing.assert_allclose(run_simpy(pools, requests), own(requests), rtol=1e-6)
