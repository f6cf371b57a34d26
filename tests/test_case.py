"""Cases of traces and workload files: what they bring, and that they stand alone after."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from fleetopt import FleetProblem, Plan, solve
from fleetopt.case import Case
from fleetopt.problem import TraceSource
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.traces import read_trace


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Ten minutes of requests, with twice the rate in the fourth."""
    rng = np.random.default_rng(5)
    times = np.sort(
        np.concatenate((Poisson(6.0).times(rng, 600.0), 180.0 + Poisson(6.0).times(rng, 60.0)))
    )
    prompt = 1 + rng.lognormal(5, 1, times.size).astype(int)
    output = 1 + rng.lognormal(4, 0.8, times.size).astype(int)
    path = tmp_path / "t.csv"
    rows = [f"{t:.6f},{p},{o}" for t, p, o in zip(times, prompt, output, strict=True)]
    path.write_text("\n".join(["arrived_at,num_prefill_tokens,num_decode_tokens", *rows]) + "\n")
    return path


def problem_of(path: Path, rate: str = "mean", **keys: object) -> FleetProblem:
    return FleetProblem(trace=TraceSource(path=str(path), rate=rate), **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "window"), [("mean", None), ("peak:1m", 60.0)])
def test_a_trace_states_lengths_and_rate(trace: Path, rate: str, window: float | None) -> None:
    read = read_trace(trace)
    case = Case.of(problem_of(trace, rate, headroom=0.5))
    expected = read.rate if window is None else read.peak_rate(window)
    assert case.arrival_rate == pytest.approx(1.5 * expected)
    assert case.lengths.mean(case.lengths.prompt_tokens) == pytest.approx(read.prompt_tokens.mean())
    assert case.problem.trace is not None
    assert case.problem.trace.sha256 == hashlib.sha256(trace.read_bytes()).hexdigest()
    assert (trace, case.problem.trace.sha256) in [(s.path, s.sha256) for s in case.sources]
    assert "requests per second" in case.notes[-1]


def test_a_plan_of_a_trace_needs_the_file_no_more(trace: Path) -> None:
    """Solved, saved, read back: the same fleet at the same rate without the trace."""
    plan = solve(problem_of(trace, "peak:1m", verification={"enabled": False}))
    saved = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    rate = read_trace(trace).peak_rate(60.0)
    trace.unlink()
    assert saved.problem.arrival_rate == pytest.approx(rate)
    again = solve(saved.problem)
    assert again.fleet == plan.fleet
    assert again.problem.trace == plan.problem.trace
    assert plan.notes[-1].startswith("designed for the largest rate over 1m of t.csv")


def test_a_peak_needs_at_least_the_fleet_of_the_mean(trace: Path) -> None:
    costs = [
        solve(problem_of(trace, rate, verification={"enabled": False})).cost.usd_per_hour
        for rate in ("mean", "peak:1m")
    ]
    assert costs[0] <= costs[1]
