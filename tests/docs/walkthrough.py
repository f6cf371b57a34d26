"""Pages whose files and commands work in order, in an empty folder.

A fenced block with a title is a file. A console block holds commands, after `$ `. Remarks
behind it say what the last command shows, the exit code with which it leaves, and a package
without which they are passed over.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
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
    needs: tuple[str, ...]

    @property
    def commands(self) -> list[list[str]]:
        """The commands as words."""
        joined = self.text.replace("\\\n", " ")
        lines = [line for line in joined.splitlines() if line.startswith("$ ")]
        return [shlex.split(line[2:]) for line in lines]


def steps(page: str) -> Iterator[Step]:
    """The fenced blocks of a page, with the remarks behind them."""
    for _, file, text, remarks in BLOCK.findall((DOCS / page).read_text()):
        said = REMARK.findall(remarks)
        shows = tuple(text for kind, text in said if kind == "shows")
        leaves = [int(text) for kind, text in said if kind == "leaves"]
        needs = tuple(text for kind, text in said if kind == "needs")
        yield Step(file, text, shows, leaves[0] if leaves else 0, needs)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `fleetopt ...` or `python ...`."""
    called = {"fleetopt": [sys.executable, "-c", START], "python": [sys.executable]}
    root = str(DOCS.parent)
    return subprocess.run(
        [*called[command[0]], *command[1:]], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "100", "PYTHONPATH": root},
    )  # fmt: skip


def walk(page: str, place: Path) -> Path:
    """Do what a page says, in a folder; the folder that its reader ends up with."""
    for step in steps(page):
        if any(find_spec(package) is None for package in step.needs):
            continue
        if step.file:
            (place / step.file).write_text(step.text)
        for command in step.commands:
            done = run(command, place)
            assert done.returncode == step.leaves, (command, done.stderr)
            said = done.stdout + done.stderr
        for shown in step.shows:
            assert shown in said, (command, shown, said)
    return place
