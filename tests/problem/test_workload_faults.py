"""Workload files and traces in problems: what is wrong with them is said once, in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleetopt import catalog
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, LengthCdf, validate

GOOD: dict[str, Any] = {
    "schema": "fleetopt.workload/1",
    "name": "mine",
    "cdf": [[12, 0.5], [30, 1.0]],
    "joint": {"pairs": [[10, 2, 3], [20, 10, 2], [25, 5, 1]]},
    "arrivals": {
        "requests": 6,
        "duration_s": 2.0,
        "rate": 2.5,
        "gap_cv2": 1.0,
        "dispersion": [[1.0, 1.2]],
        "peak_rates": [[1.0, 3.0]],
        "profile": {"bin_s": 1.0, "rates": [2.0, 4.0]},
    },
    "files": [{"path": "t.csv", "sha256": "0" * 64, "format": "csv", "requests": 6}],
}


def faults_of(content: dict[str, Any], folder: Path) -> list[str]:
    path = folder / "mine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        catalog.read_lengths(str(path))
    return [str(fault).removeprefix(f"{path}, ") for fault in caught.value.faults]


def changed(**keys: Any) -> dict[str, Any]:
    return {**GOOD, **keys}


def arrivals(**keys: Any) -> dict[str, Any]:
    return changed(arrivals={**GOOD["arrivals"], **keys})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # a table that says something else than the points
        (changed(cdf=[[12, 0.4], [30, 1.0]]), "cdf[0] fraction: the joint table says 0.5, got 0.4"),
        (changed(cdf=[[12, 0.5], [29, 1.0]]), "cdf[1] fraction: the joint table says 0.5, got 1"),
        # an empty table, no tokens, parts of requests, a flag for a number
        (changed(joint={"pairs": []}), "joint.pairs: expected at least 1 entries"),
        (changed(joint={"pairs": [[0, 5, 1]]}), "joint.pairs[0][0]: must be at least 1, got 0"),
        (changed(joint={"pairs": [[5, 5, 0.5]]}), "joint.pairs[0][2]: expected a whole number"),
        (changed(joint={"pairs": [[5, True, 1]]}), "joint.pairs[0][1]: expected a whole number"),
        (changed(joint={"pairs": [[5, 5]]}), "joint.pairs[0]"),
        (changed(joint={"pears": []}), "unknown key 'pears' (did you mean 'pairs'?)"),
        # arrivals that cannot be
        (arrivals(rate=0), "arrivals.rate: must be greater than 0, got 0"),
        (arrivals(rate=float("nan")), "arrivals.rate: expected a finite number, got nan"),
        (arrivals(requests=1), "arrivals.requests: must be at least 2, got 1"),
        (arrivals(gap_cv2=-1), "arrivals.gap_cv2: must be at least 0, got -1"),
        (arrivals(duration_s=0), "arrivals.duration_s: must be greater than 0, got 0"),
        (arrivals(dispersion=[[0, 1]]), "arrivals.dispersion[0][0]: must be greater than 0, got 0"),
        (arrivals(profile={"bin_s": 1.0, "rates": []}), "arrivals.profile.rates"),
        # another version, unknown keys
        (changed(schema="fleetopt.workload/2"), "schema: unknown key 'schema'"),
        (changed(arrival={}), "arrival: unknown key 'arrival' (did you mean 'arrivals'?)"),
    ],
)
def test_a_wrong_workload_file(content: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert any(expected in fault for fault in faults_of(content, tmp_path))


def test_a_workload_file_states_the_rate_unless_the_problem_does(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(GOOD))
    inputs = catalog.read_inputs(FleetProblem(cdf=str(path)))
    assert inputs.arrival_rate == 2.5
    assert type(inputs.lengths) is LengthCdf
    assert catalog.read_inputs(FleetProblem(cdf=str(path), arrival_rate=7.0)).arrival_rate == 7.0
    without = {key: value for key, value in GOOD.items() if key != "arrivals"}
    path.write_text(json.dumps(without))
    assert catalog.read_inputs(FleetProblem(cdf=str(path))).arrival_rate == 100.0


@pytest.mark.parametrize("rate", ["mean", "peak:5m", "peak:0.5h", "peak:90s"])
def test_rates_of_a_trace(rate: str) -> None:
    problem = FleetProblem(trace={"path": "t.csv", "rate": rate})  # type: ignore[arg-type]
    assert problem.trace is not None
    seconds = {"mean": None, "peak:5m": 300.0, "peak:0.5h": 1800.0, "peak:90s": 90.0}
    assert problem.trace.peak_window_s == seconds[rate]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"trace": {"path": "t", "rate": "peak"}},
            "trace.rate: expected mean, or peak with a time",
        ),
        ({"trace": {"path": "t", "rate": "peak:0s"}}, "trace.rate: expected mean, or peak"),
        ({"trace": {"path": "t", "rate": "peak:5d"}}, "trace.rate: expected mean, or peak"),
        ({"trace": {}}, "trace.path: this key is required"),
        ({"trace": {"path": ""}}, "trace.path: expected a text of at least 1 characters"),
        ({"trace": {"path": "t", "format": "cvs"}}, "(did you mean 'csv'?)"),
        ({"trace": {"path": "t"}, "cdf": "lmsys"}, "cdf: the trace states the lengths"),
        ({"trace": {"path": "t"}, "arrival_rate": 5}, "arrival_rate: the trace states the rate"),
    ],
)
def test_a_wrong_trace_of_a_problem(keys: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(FleetProblem, keys, "")
    assert expected in str(caught.value)
