"""The page on profiles works: its files and commands, its script, its figures."""

from __future__ import annotations

import json
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median

import pytest
from click.testing import CliRunner
from measured_runs import distances
from walkthrough import DOCS, walk

from fleetopt.cli.main import cli

sys.path.insert(0, str(DOCS / "hooks"))
sys.path.insert(0, str(DOCS.parent / "tests" / "workload"))

import rooflines
from recordings import real

TEXT = (DOCS / "profiles.md").read_text()


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    walk("profiles.md", tmp_path)
    assert (tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "mine.json").read_text())["llms"][0]["name"] == "qwen2.5-7b"


def test_the_script_prints_what_the_page_shows() -> None:
    code, shown = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, flags=re.S)[0]
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


def test_the_recorded_derivation_is_what_the_command_prints() -> None:
    command = ["profile", "show", "--model", "llama-3.1-70b", "--gpu", "h100", "--tp", "8"]
    said = CliRunner(env={"COLUMNS": "100"}).invoke(cli, command).stdout
    assert said.startswith((DOCS / "measured" / "profile_show.txt").read_text().rstrip())


def test_the_recorded_estimates_are_what_the_command_prints() -> None:
    pytest.importorskip("aiconfigurator_core", reason="AIConfigurator is not installed")
    asked = "profile aiconfigurator --model llama-3.1-70b --gpu h100 --tp 8"
    said = CliRunner(env={"COLUMNS": "100"}).invoke(cli, asked.split()).stdout
    assert said == (DOCS / "measured" / "profile_estimated.txt").read_text()


def test_distances_are_as_the_page_sums_them_up() -> None:
    """Within 15 % of the engine estimates; the engine of 2023 took longer throughout."""
    found = list(rooflines.comparisons())
    near = [one.distance for one in found if one.source == rooflines.ESTIMATED]
    assert len(near) == 7
    assert max(abs(distance) for distance in near) <= 0.15
    far = [one for one in found if one.source == rooflines.MEASURED]
    assert len(far) == 6
    assert all(one.distance < 0 for one in far)
    lost = [one.stated_ms - one.computed_ms for one in far if "decode" in one.load]
    assert min(lost) > 20


def test_the_distances_are_in_the_table() -> None:
    table = rooflines.table()
    for one in rooflines.comparisons():
        assert f"| {one.stated_ms:g} | {one.computed_ms:.1f} |" in table


def test_measured_servers_are_as_far_as_the_page_says() -> None:
    """The number of runs, and the median to a percent."""
    found = list(distances(real("silicon_serving_measurements.csv")))
    runs, percent = re.findall(
        r"Over ([\d,]+) measured runs.*?is (\d+) % shorter", TEXT, flags=re.S
    )[0]
    assert len(found) == int(runs.replace(",", ""))
    assert round(-100 * median(found)) == int(percent)
