"""Every published command line runs as it is written, in a folder that has nothing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.questions.reproduce.published import published_scenarios

COMMANDS = {
    key if gpu == "G" else f"{key} {gpu}": scenario.command.replace(
        "-short G", f"-short {gpu}"
    ).replace("-long G", f"-long {gpu}")
    for key, scenario in published_scenarios().items()
    for gpu in (("a10g", "h100", "a100") if " G " in scenario.command else ("G",))
    if scenario.command
}
VERIFIED = tuple(key for key, command in COMMANDS.items() if " optimize " in command)
"""Those that simulate several fleets until each is accepted."""


@pytest.mark.slow
@pytest.mark.parametrize("key", VERIFIED)
def test_verified_ones_run_as_written(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pytest -m slow tests/scenarios/test_published_commands.py`, half a minute on two cores."""
    monkeypatch.chdir(tmp_path)
    check(key, [])


@pytest.mark.parametrize("key", COMMANDS)
def test_runs_as_written(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, but for the simulations of `optimize`."""
    monkeypatch.chdir(tmp_path)
    check(key, ["--verify-top", "0"] if key in VERIFIED else [])


def check(key: str, more: list[str]) -> None:
    """JSON with rows that have the published field names, whatever the SLO says."""
    name, *arguments = shlex.split(COMMANDS[key])
    assert name == "fleetopt"
    done = CliRunner().invoke(cli, [*arguments, *more, "--format", "json"])
    assert done.exit_code in (0, 3), done.output
    fields = set().union(*(row.keys() for row in json.loads(done.stdout)["rows"]))
    published = set().union(*(row.keys() for row in published_scenarios()[key.split()[0]].rows))
    labels = {"gamma", "workload", "layout"}  # of the bundled figures, not of the answers
    assert published - labels <= fields
