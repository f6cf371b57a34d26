"""`tok-per-watt` and `grid-flex`: forms, figures, several values, wrong inputs."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.cli.main import cli
from fleetopt.cli.spaced import joined


def invoke(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(cli, [*words])


answer = cache(invoke)
"""The same for commands that write no file, run once for all tests."""

TOKENS = ("tok-per-watt", "--cdf", "azure", "--lam", "30")
SPLIT = (*TOKENS, "--b-short", "4096", "--gpu-short", "a10g", "--gpu-long", "h100")
GRID = ("grid-flex", "--cdf", "azure", "--lam", "50", "--n-gpus", "8", "--flex-pcts", "0", "20")
EVENT = (*GRID, "--event-minutes", "0.5", "--replications", "2")


@pytest.mark.parametrize("command", [TOKENS, SPLIT, EVENT])
def test_json_and_csv_have_the_same_rows(command: tuple[str, ...]) -> None:
    data = json.loads(answer(*command, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(answer(*command, "--format", "csv").stdout)))
    assert data["schema"].startswith("fleetopt.")
    assert len(rows) == len(data["rows"]) > 1
    for row, said in zip(rows, data["rows"], strict=True):
        shared = [key for key in row if isinstance(said.get(key), float)]
        assert len(shared) > 3
        assert [float(row[key]) for key in shared] == [said[key] for key in shared]


@pytest.mark.parametrize(
    ("command", "first"),
    [(TOKENS, "a10g makes most of a watt"), (SPLIT, "A split at 4,096 tokens"), (EVENT, "8 h100")],
)
def test_text_begins_with_the_answer(command: tuple[str, ...], first: str) -> None:
    done = answer(*command)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(first)
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


@pytest.mark.parametrize("command", [TOKENS, GRID])
def test_figures_are_written(command: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    path = tmp_path / "drawn.png"
    done = invoke(*command, "--plot", str(path))
    assert done.exit_code == 0, done.output
    assert path.read_bytes().startswith(b"\x89PNG")


def test_several_values_come_with_spaces_or_commas() -> None:
    spaced = invoke(*TOKENS, "--gpus", "h100", "a100", "--n-gpus", "3", "5", "--format", "csv")
    commas = invoke(*TOKENS, "--gpus=h100,a100", "--n-gpus", "3,5", "--format", "csv")
    assert spaced.exit_code == 0, spaced.output
    assert spaced.stdout == commas.stdout


@given(st.lists(st.sampled_from(["h100", "a100", "1", "2.5"]), min_size=1))
def test_words_behind_an_option_become_one(words: list[str]) -> None:
    given = ["--gpus", *words, "--lam", "3", "--flag"]
    assert joined(given, {"--gpus"}) == ["--gpus", ",".join(words), "--lam", "3", "--flag"]
    assert joined(given, set()) == given


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (("--gpus", "h10"), ["--gpus: unknown GPU 'h10'"]),
        (("--gpus", "h100", "--n-gpus", "two"), ["--n-gpus: expected numbers, got 'two'"]),
        (("--n-gpus", "2.5", "3", "4"), ["--n-gpus: expected whole numbers, got 2.5"]),
        (("--model", "llama", "--gpus", "h100"), ["--model: unknown model 'llama'"]),
        (("--model", "llama-3.1-8b", "--b-short", "4096"), ["--model: does not go with --b-short"]),
        (("--b-short", "4096"), ["--gpu-short: --b-short needs it", "--gpu-long: --b-short"]),
        (("--gpu-short", "b100"), ["unknown GPU 'b100'", "--gpu-short: needs --b-short"]),
        (("--simulate", "--lam", "0"), ["--simulate: needs --b-short", "--lam: must be greater"]),
        (
            ("--b-short", "9000", "--gpu-short", "a10g", "--gpu-long", "h100"),
            ["--b-short: must be below the largest context 8192, got 9000"],
        ),
        (
            ("--b-short", "4096", "--gpu-short", "a10g", "--gpu-long", "h100", "--rho-sweep"),
            ["--rho-sweep: does not go with --b-short"],
        ),
    ],
)
def test_wrong_tokens_are_refused(words: tuple[str, ...], messages: list[str]) -> None:
    done = invoke("tok-per-watt", "--cdf", "azure", *words)
    assert done.exit_code == 2, done.output
    for message in messages:
        assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (("--defer-most", "100"), ["--defer-most"]),
        (("--defer-usd", "-1"), ["--defer-usd"]),
        (("--switch-usd", "nan"), ["--switch-usd"]),
        (("--flex-pcts", "101"), ["--flex-pcts: expected 0 to 100 %, got 101"]),
        (("--flex-pcts", "60"), ["below the idle draw of profile 'h100', power.idle_w = 300"]),
        (("--flex-pcts", "a", "b"), ["got 'a'", "got 'b'"]),
        (("--gpu", "h10"), ["--gpu: unknown GPU 'h10'"]),
        (("--n-gpus", "0"), ["--n-gpus"]),
        (("--slo", "-1", "--cdf", "nothing"), ["--slo: must be greater", "nothing"]),
    ],
)
def test_wrong_caps_are_refused(words: tuple[str, ...], messages: list[str]) -> None:
    done = invoke("grid-flex", "--cdf", "azure", "--n-gpus", "8", *words)
    assert done.exit_code == 2, done.output
    for message in messages:
        assert message in done.stderr


def test_published_rate_unless_the_workload_states_its_own(tmp_path: Path) -> None:
    said = json.loads(invoke("grid-flex", "--cdf", "azure", "--n-gpus", "40",
                             "--format", "json").stdout)  # fmt: skip
    assert said["lam"] == 200.0


def test_an_event_is_in_every_form() -> None:
    data = json.loads(answer(*EVENT, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(answer(*EVENT, "--format", "csv").stdout)))
    for row, said in zip(rows, data["rows"], strict=True):
        assert said["event"]["minutes"] == 0.5
        assert row["event_standing"] == said["event"]["standing"]
        assert float(row["event_recovery_s"]) == said["event"]["recovery_s"]["estimate"]
    text = answer(*EVENT)
    assert "Simulated event of 0.5 minutes" in text.stdout
    assert all(len(line) <= 100 for line in text.stdout.splitlines())


def test_an_event_without_length_is_refused() -> None:
    done = invoke(*GRID, "--event-minutes", "0")
    assert done.exit_code == 2
    assert "--event-minutes" in done.output


def test_a_fitted_curve_is_ready_for_a_profile(tmp_path: Path) -> None:
    from fleetopt.problem import PowerCurve

    file = tmp_path / "measured.csv"
    file.write_text("batch,watts\n1,200\n4,260\n16,330\n64,370\n")
    command = ("profile", "fit-power", str(file), "--gpu", "a100")
    data = json.loads(invoke(*command, "--format", "json").stdout)
    assert PowerCurve.model_validate(data["power"]).nominal_w == 385.0
    assert len(data["rows"]) == 4
    assert invoke(*command).stdout.startswith("a100: steepness")
    assert len(invoke(*command, "--format", "csv").stdout.splitlines()) == 5
