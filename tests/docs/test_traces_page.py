"""The page on traces works, and what it quotes of the code trace is what is measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from walkthrough import DOCS, walk

sys.path.insert(0, str(DOCS.parent / "tests" / "workload"))

from recordings import real

from fleetopt import study
from fleetopt.problem import FleetProblem


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    walk("traces.md", tmp_path)
    judged = json.loads((tmp_path / "poisson.json").read_text())["verification"]
    assert judged["verdict"] == "pass"
    assert judged["trace"] is None


def test_the_recorded_fleet_is_right_for_the_trace_and_one_replica_is_not() -> None:
    path = real("azure_code_2023.csv")
    _, wrong, right = json.loads((DOCS / "measured" / "code_trace.json").read_text())
    plan = study.solve(
        FleetProblem.model_validate(
            {
                "trace": {"path": str(path)},
                "gpus": ("a10g",),
                "slo": ("p99 ttft 500", "p99 tpot 14"),
            }
        )
    )
    assert plan.verification is not None
    ((pool,), (seen,)) = plan.fleet.pools, plan.verification.pools
    assert (pool.replicas, seen.verdict) == (right["replicas"], right["verdict"])
    assert seen.slo_attainment.estimate == pytest.approx(right["attainment"])
    row = next(r for r in plan.status.refused_rows if r.hi_tokens - r.lo_tokens == pool.hi_tokens)
    assert (row.replicas, row.needs) == (wrong["replicas"], right["replicas"])
    assert row.slo_attainment.estimate == pytest.approx(wrong["attainment"])
