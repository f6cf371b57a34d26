"""Puzzles 8, 9 and 10: power caps, tokens per watt, and a split for energy."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli

FIGURES = Path(__file__).resolve().parents[3] / "shared" / "reference" / "published_scenarios.json"
KNOWN_CAPS = {17: 18, 6: 7}
"""Where the published caps are one off the published curve."""


def puzzle(name: str) -> dict[str, Any]:
    if not FIGURES.is_file():
        pytest.skip(f"the published figures are not at {FIGURES}")
    found: dict[str, Any] = json.loads(FIGURES.read_text())[name]
    return found


def answer(command: str, *more: str) -> dict[str, Any]:
    """What a published command line says, as data."""
    words = shlex.split(command)[1:]
    done = CliRunner().invoke(cli, [*words, *more, "--format", "json"])
    assert done.exit_code == 0, done.output
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_power_caps_by_the_published_method() -> None:
    stated = puzzle("puzzle_8")
    command = stated["command"].replace("--verify-des 15000", "")
    rows = answer(command, "--method", "published")["rows"]
    for row, published in zip(rows, stated["rows"], strict=True):
        cap = KNOWN_CAPS.get(published["n_max"], published["n_max"])
        assert row["flex_pct"] == published["flex_pct"]
        assert row["n_max"] == cap
        if cap == published["n_max"]:
            assert row["w_per_gpu"] == pytest.approx(published["w_per_gpu"], abs=0.6)
            assert row["fleet_kw"] == pytest.approx(published["fleet_kw"], abs=0.06)
        if published["p99_analytic_ms"] is None:
            assert row["p99_analytic_ms"] is None
        else:
            assert row["p99_analytic_ms"] == pytest.approx(published["p99_analytic_ms"], abs=0.1)


def test_power_caps_as_they_are() -> None:
    """The published verdict holds down to 30 %; that of 40 % does not."""
    stated = puzzle("puzzle_8")
    rows = answer(stated["command"].replace("15000", "6000"), "--replications", "2")["rows"]
    verdicts = [row["slo_met"] for row in rows]
    assert verdicts == [True] * 7 + [False] * 2
    assert [row["slo_met"] for row in stated["rows"]] == [True] * 8 + [False]
    for row in rows[:7]:
        assert row["p99_analytic_ms"] == pytest.approx(row["p99_des_ms"], rel=0.1)


@pytest.mark.parametrize("name", ["puzzle_9_azure", "puzzle_9_lmsys"])
def test_published_tokens_per_watt_at_the_published_counts(name: str) -> None:
    """Within 4 %; the published 3 H100 on LMSYS rest on a lucky draw of 3000 lengths."""
    stated = puzzle(name)
    counts = [str(row["gpus"]) for row in stated["rows"]]
    said = answer(stated["command"], "--method", "published", "--n-gpus", *counts)
    for row, published in zip(said["rows"], stated["rows"], strict=True):
        lucky = name == "puzzle_9_lmsys" and row["gpu"] == "h100"
        assert row["gpu"] == published["gpu"]
        tolerance = 0.045 if lucky else 0.04
        assert row["tok_per_w"] == pytest.approx(published["tok_per_w"], rel=tolerance)
        if "w_per_gpu" in published:
            assert row["w_per_gpu"] == pytest.approx(published["w_per_gpu"], rel=0.01)
            assert row["power_quality"] == published["power_quality"]


def test_published_counts_of_tokens_per_watt_are_within_one() -> None:
    for name in ("puzzle_9_azure", "puzzle_9_lmsys"):
        stated = puzzle(name)
        said = answer(stated["command"], "--method", "published")
        for row, published in zip(said["rows"], stated["rows"], strict=True):
            assert abs(row["gpus"] - published["gpus"]) <= 1


def test_no_flip_on_lmsys_with_whole_lengths() -> None:
    """Published: the A100 makes more of a watt than the H100. Whole lengths, or cut: less."""
    stated = puzzle("puzzle_9_lmsys")
    published = {row["gpu"]: row["tok_per_w"] for row in stated["rows"]}
    assert published["a100"] > published["h100"]
    said = answer(stated["command"])
    rows = {row["gpu"]: row for row in said["rows"]}
    assert said["context_tokens"] == 65_536
    assert rows["h100"]["tok_per_w"] > 1.3 * rows["a100"]["tok_per_w"]
    assert rows["h100"]["cut"]["tok_per_w"] > rows["a100"]["cut"]["tok_per_w"]


@pytest.mark.parametrize(("workload", "b_short", "least"), [("azure", 4096, 0.15),
                                                           ("lmsys", 2048, 0.3)])  # fmt: skip
def test_a_split_saves_energy(workload: str, b_short: int, least: float) -> None:
    """By the table; with the caveats of the A10G's power and model."""
    stated = puzzle("puzzle_10")
    assert {"workload": workload, "b_short": b_short} in stated["rows"]
    command = stated["command"].replace("azure", workload).replace("4096", str(b_short))
    said = answer(command)
    assert said["saving"] > least
    assert said["saves"] is True
    assert [row["topology"] for row in said["rows"]] == ["a10g + h100", "h100", "a10g"]
    notes = " ".join(said["notes"])
    assert "a10g is of LOW quality" in notes
    assert "different models" in notes
