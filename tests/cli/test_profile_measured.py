"""`fleetopt profile fit` and `validate`: what they write, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from pathlib import Path

from click.testing import CliRunner, Result

from fleetopt.cli.main import cli
from fleetopt.problem import CoefficientSpec

HEAD = "clients,prompt_tokens,output_tokens,ttft_ms,tpot_ms\n"
RUNS = HEAD + "".join(
    f"{c},{p},256,{12 + p / 25},{9 + c * p / 1e4}\n" for c in (1, 8, 32) for p in (512, 2048)
)
PROFILE = ("--name", "mine", "--gpu", "h100", "--kv-tokens", "100000")


def called(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["profile", *arguments])


def test_a_fit_in_every_form_and_as_a_profile(tmp_path: Path) -> None:
    runs, profile, plot = tmp_path / "r.csv", tmp_path / "p.toml", tmp_path / "f.png"
    runs.write_text(RUNS + "4,10,10,0,1\n")
    command = ("fit", str(runs), *PROFILE, "--for-clients", "320", "--profile", str(profile))
    text = called(*command, "--plot", str(plot))
    assert text.exit_code == 0, text.stderr
    assert "320 is 10.0 times outside of the measured" in " ".join(text.stdout.split())
    assert "Left out: 1 runs" in text.stdout
    data = json.loads(called(*command, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(called(*command, "--format", "csv").stdout)))
    assert len(rows) == len(data["runs"]) == 6
    (table,) = tomllib.loads(profile.read_text())["profiles"]
    spec = CoefficientSpec.model_validate(table)
    assert spec.prefill_per_token_s == data["prefill_per_token_s"]
    assert spec.context == "current"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_too_few_runs_and_unknown_files_are_refused(tmp_path: Path) -> None:
    runs = tmp_path / "r.csv"
    runs.write_text(HEAD + "8,512,256,90,11\n")
    result = called("fit", str(runs), *PROFILE)
    assert result.exit_code == 2
    assert "4 coefficients need as many runs, got 1" in result.stderr
    assert called("fit", "nowhere.csv", *PROFILE).exit_code == 2


def test_a_fit_to_batches_of_one_deployment(tmp_path: Path) -> None:
    runs = tmp_path / "b.csv"
    head = "model,hardware,prompt_size,batch_size,token_size,prompt_time,token_time\n"
    sizes = [(p, c) for p in (256, 1024) for c in (1, 2, 8)]
    rows = [f"a,{gpu},{p},{c},64,{9 + c * p / 20},{9 + c * p / 1e3}\n"
            for gpu in ("x", "y") for p, c in sizes]  # fmt: skip
    runs.write_text(head + "".join(rows))
    command = ("fit", str(runs), *PROFILE, "--token-budget", "2048")
    several = called(*command)
    assert several.exit_code == 2
    assert "several deployments (hardware: x, y) (--where hardware=x)" in several.stderr
    text = called(*command, "--where", "hardware=x")
    assert "of TTFT" in text.stdout
    assert "TPOT" in text.stdout
    rows_told = json.loads(called(*command, "--where", "hardware=x", "--format", "json").stdout)
    told = [(run["prompt_tokens"], run["clients"]) for run in rows_told["runs"]]
    assert told == sizes
    assert [run["ttft_error"] is None for run in rows_told["runs"]] == [
        p * c > 2048 for p, c in sizes
    ]
    wrong = called(*command, "--where", "hardware")
    assert "--where: expected COLUMN=VALUE, got 'hardware'" in wrong.stderr


def test_a_validation_in_every_form(tmp_path: Path) -> None:
    runs, constants, plot = tmp_path / "m.csv", tmp_path / "c.json", tmp_path / "v.svg"
    runs.write_text(
        "backend,model_path,system,precision,isl,osl,concurrency,tp_size,ttft_ms,tpot_ms\n"
        "vllm,meta-llama/Llama-3.1-8B,l40s,fp8,1024,256,4,1,150,14\n"
        "vllm,meta-llama/Llama-3.1-8B,l40s,fp8,1024,256,16,1,400,18\n"
        "vllm,meta-llama/Llama-3.1-8B,l40s,fp8,1024,256,32,1,0,18\n"
    )
    command = ("validate", str(runs), "-q")
    text = called(*command, "--plot", str(plot), "--save-constants", str(constants))
    assert text.exit_code == 0, text.stderr
    assert "l40s vllm llama-3.1-8b" in text.stdout
    assert "Left out: 1 lines" in text.stdout
    data = json.loads(called(*command, "--format", "json").stdout)
    assert data["overall"]["dense"]["n"] == 2
    assert data["overall"]["moe"]["tpot_median_abs_error"] is None
    assert data["refines_bundled"]
    assert (
        "group l40s vllm llama-3.1-8b" in json.loads(constants.read_text())["decoding"]["factors"]
    )
    rows = list(csv.DictReader(io.StringIO(called(*command, "--format", "csv").stdout)))
    assert [row["line"] for row in rows] == ["2", "3"]
    assert b"<svg" in plot.read_bytes()


def test_measurements_without_columns_are_refused(tmp_path: Path) -> None:
    runs = tmp_path / "m.csv"
    runs.write_text("a\n1\n")
    result = called("validate", str(runs))
    assert result.exit_code == 2
    assert "expected columns backend" in result.stderr
