"""`fleetopt placement`: its forms, and wrong input."""

from __future__ import annotations

import csv
import io
import json
import shlex

from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

LINE = (
    "placement --cdf azure --gpus h100 --slo-ttft 100 --slo-tpot 20 --max-ctx 8192 --overlong clip "
    "--max-gpus 3 --link 25"
)


def run(line: str) -> Result:
    return CliRunner().invoke(cli, shlex.split(line))


def test_json_and_csv_agree() -> None:
    answer = json.loads(run(f"{LINE} --no-verify --format json").stdout)
    flat = list(csv.DictReader(io.StringIO(run(f"{LINE} --no-verify --format csv").stdout)))
    assert answer["schema"] == "fleetopt.placement/1"
    assert [row["kind"] for row in answer["rows"]] == ["apart", "together", "rule"]
    for row, other in zip(answer["rows"], flat, strict=True):
        assert float(other["requests_per_s_of_gpu"]) == row["requests_per_s"] / row["gpus"]
        assert row["gpus"] == row["n_prefill"] + row["n_decode"] <= 3


def test_the_report_tells_what_was_simulated() -> None:
    said = " ".join(run(f"{LINE} --requests 2000 --replications 2").stdout.split())
    assert "90 % of the requests keep a TTFT of 100 ms and a TPOT of 20 ms" in said
    assert "in time, simulated" in said
    assert "AIConfigurator's rule of mean rates takes" in said


def test_no_placement_leaves_with_1() -> None:
    done = run(LINE.replace("--slo-ttft 100", "--slo-ttft 0.5"))
    assert done.exit_code == 1
    assert "no placement on 3 GPUs keeps both bounds" in done.output


def test_wrong_input_is_told_at_once() -> None:
    done = run("placement --cdf azur --slo-ttft -1 --slo-tpot 40 --gpus h10 --link x:y")
    assert done.exit_code == 2
    for said in (
        "--slo-ttft: must be greater than 0",
        "did you mean 'azure'",
        "did you mean 'h100'",
    ):
        assert said in done.output
    assert run(LINE + " --attainment 1").exit_code == 2
