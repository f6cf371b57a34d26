"""The tutorial works: its files and commands, in order, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
START = "from fleetopt.cli.main import run; run()"
BLOCK = re.compile(
    r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```\n((?:<!-- .*? -->\n)*)', flags=re.M | re.S
)
REMARK = re.compile(r"<!-- (\w+): (.*?) -->")


@dataclass(frozen=True)
class Step:
    """A file to write, or commands with what the last of them has to show."""

    file: str
    text: str
    shows: tuple[str, ...]
    leaves: int

    @property
    def commands(self) -> list[list[str]]:
        """The commands as words, without the program's name."""
        lines = [line for line in self.text.splitlines() if line.startswith("$ ")]
        return [shlex.split(line[2:])[1:] for line in lines]


def steps() -> Iterator[Step]:
    """The fenced blocks of the page, with the remarks behind them."""
    for _, file, text, remarks in BLOCK.findall(PAGE.read_text()):
        said = REMARK.findall(remarks)
        shows = tuple(text for kind, text in said if kind == "shows")
        leaves = [int(text) for kind, text in said if kind == "leaves"]
        yield Step(file, text, shows, leaves[0] if leaves else 0)


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *arguments],
        cwd=folder, env={**os.environ, "COLUMNS": "100"}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader ends up with; every command did what the page says."""
    place = tmp_path_factory.mktemp("tutorial")
    for step in steps():
        if step.file:
            (place / step.file).write_text(step.text)
        for arguments in step.commands:
            done = run(arguments, place)
            assert done.returncode == step.leaves, (arguments, done.stderr)
            said = done.stdout + done.stderr
        for shown in step.shows:
            assert shown in said, (arguments, shown, said)
    return place


def test_page_has_files_and_commands() -> None:
    found = list(steps())
    assert [step.file for step in found if step.file] == ["support_cdf.json", "problem.toml"]
    assert {words[0] for step in found for words in step.commands} == {
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
