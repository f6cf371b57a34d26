"""The pages of the solver and of infeasible problems show what the commands say."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.optimization.solution import Holding, Termination

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS / "hooks"))

import pages  # noqa: E402

SHOWN = re.compile(
    r"^```console\n\$ fleetopt ([^\n]*)\n```\n\n```text\n(.*?)^```\n", flags=re.M | re.S
)
EXAMPLES = [
    pytest.param(command, told, id=command)
    for page in ("infeasible.md", "solver.md")
    for command, told in SHOWN.findall((DOCS / page).read_text())
]


@pytest.mark.parametrize(("command", "told"), EXAMPLES)
def test_the_command_says_what_the_page_shows(command: str, told: str) -> None:
    """On standard error, with exit code 1."""
    done = CliRunner().invoke(cli, shlex.split(command))
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", told)


def test_every_command_of_the_pages_is_run() -> None:
    commands = sum(
        (DOCS / p).read_text().count("```console") for p in ("infeasible.md", "solver.md")
    )
    assert len(EXAMPLES) == commands == 5


def test_every_status_is_in_the_tables() -> None:
    page = pages.on_page_markdown((DOCS / "solver.md").read_text())
    for state in (*Termination, *Holding):
        assert f"| `{state.value}` | {state.meaning} |" in page


def test_the_fields_of_a_refusal_are_explained() -> None:
    page = pages.on_page_markdown((DOCS / "infeasible.md").read_text())
    for field in ("feasible", "reasons", "relaxation", "nearest", "alone", "together", "excess"):
        assert re.search(rf"^\| `{field}` \| [^|]+ \| \w", page, flags=re.M)
