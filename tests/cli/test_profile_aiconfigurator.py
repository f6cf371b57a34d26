"""`fleetopt profile aiconfigurator`: what it writes, and what it says without the package."""

from __future__ import annotations

import csv
import io
import json
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleetopt.catalog import read_problem
from fleetopt.cli.main import cli

ASKED = ("profile", "aiconfigurator", "--model", "llama-3.1-8b", "--gpu", "h100")


def called(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_profile_in_every_form_and_in_a_problem(tmp_path: Path) -> None:
    pytest.importorskip("aiconfigurator_core", reason="AIConfigurator is not installed")
    profile, problem = tmp_path / "p.toml", tmp_path / "problem.toml"
    text = called(*ASKED, "--name", "mine", "--profile", str(profile))
    assert text.exit_code == 0, text.stderr
    assert "These are estimates and not measured runs" in text.stdout
    data = json.loads(called(*ASKED, "--name", "mine", "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(called(*ASKED, "--format", "csv").stdout)))
    assert len(rows) == len(data["iterations"])
    assert {row["iteration"] for row in rows} == {"decode", "prefill", "mixed"}
    assert tomllib.loads(profile.read_text())["profiles"] == [data["profile"]]
    head = 'cdf = "azure"\narrival_rate = 20\nadmission = "paged"\ngpus = ["mine"]\n'
    problem.write_text(head + profile.read_text())
    (spec,) = read_problem(str(problem))[0].profiles
    assert spec.name == "mine"
    assert "AIConfigurator" in spec.source
    solved = called("solve", str(problem), "--no-verify", "--format", "json")
    assert solved.exit_code == 0, solved.stderr
    assert "AIConfigurator" in solved.stdout


def test_without_the_package_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "aiconfigurator_core.sdk", None)
    result = called(*ASKED)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "Error: AIConfigurator: it is not installed (pip install 'fleetopt[aiconfigurator]')"
    ]


def test_what_it_does_not_know_is_named_by_its_option() -> None:
    stated = "--model mistral-7b --gpu l4 --pp 2 --engine none"
    result = called("profile", "aiconfigurator", *stated.split())
    assert result.exit_code == 2
    assert all(f"- {name}: " in result.stderr for name in ("--engine", "--model", "--gpu", "--pp"))
