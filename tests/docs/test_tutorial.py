"""The tutorial works: its files and commands, in order, in an empty folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from walkthrough import steps, walk

PAGE = "tutorial.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader ends up with; every command did what the page says."""
    return walk(PAGE, tmp_path_factory.mktemp("tutorial"))


def test_page_has_files_and_commands() -> None:
    found = list(steps(PAGE))
    assert [step.file for step in found if step.file] == ["support_cdf.json", "problem.toml"]
    assert {words[1] for step in found for words in step.commands} == {
        "info",
        "new",
        "solve",
        "table",
        "verify",
    }


def test_saved_plan_is_the_one_that_the_page_describes(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    pools = [(p["gpu"], p["replicas"], p["hi_tokens"]) for p in plan["fleet"]["pools"]]
    assert pools == [("h100", 1, 4096), ("h100", 1, 16384)]
    assert plan["verification"]["verdict"] == "pass"
    for pool in plan["verification"]["pools"]:
        assert pool["p99_ttft_ms"]["high"] < 400.0
        assert pool["arrivals"] == pool["completed"] + pool["rejected"] + pool["unfinished"]


def test_new_model_is_there_to_change(folder: Path) -> None:
    assert "arrival_rate" in (folder / "chat" / "problem.toml").read_text()
