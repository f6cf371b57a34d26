"""`fleetopt workload`: files in, files out, figures that are images, and wrong input."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fleetopt.catalog import read_lengths
from fleetopt.cli.main import cli
from fleetopt.problem import Workload


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two traces, one of them with two bad lines."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.exponential(0.5, 400))
    tokens = zip(rng.integers(1, 2000, 400), rng.integers(1, 400, 400), strict=True)
    rows = [
        f"{t:.4f},{p},{o},{'ab'[i % 2]}"
        for i, (t, (p, o)) in enumerate(zip(times, tokens, strict=True))
    ]
    heading = "arrived_at,num_prefill_tokens,num_decode_tokens,model"
    Path("good.csv").write_text("\n".join([heading, *rows]) + "\n")
    Path("bad.csv").write_text("\n".join([heading, *rows[:9], "x,5,5,a", "1e6,0,5,a", *rows[9:]]))
    return tmp_path


def fitted(*words: str) -> Workload:
    result = run("workload", "fit", *words, "-o", "w.json")
    assert result.exit_code == 0, result.output
    found, _ = read_lengths("w.json")
    assert isinstance(found, Workload)
    return found


def test_fit_writes_what_solve_and_table_read(folder: Path) -> None:
    workload = fitted("good.csv", "--title", "Chat", "--source", "made up")
    assert (workload.name, workload.title, workload.source) == ("good", "Chat", "made up")
    assert workload.arrivals is not None
    assert workload.models == {"a": 200, "b": 200}
    result = run("solve", "--cdf", "w.json", "--no-verify", "--format", "json")
    assert result.exit_code == 0
    plan = json.loads(result.stdout)
    assert plan["problem"]["arrival_rate"] == pytest.approx(workload.arrivals.rate)
    assert len(plan["problem"]["cdf"]["joint"]["pairs"]) == len(workload.joint.pairs)  # type: ignore[union-attr]
    result = run("table", "--cdf", "w.json", "--gpu", "h100", "--lam", "9", "--format", "json")
    assert json.loads(result.stdout)["pool"]["arrival_rate"] == 9.0
    result = run("table", "--cdf", "w.json", "--gpu", "h100", "--format", "json")
    assert json.loads(result.stdout)["pool"]["arrival_rate"] == pytest.approx(
        workload.arrivals.rate
    )


def test_fit_without_a_file_writes_to_standard_output(folder: Path) -> None:
    result = run("workload", "fit", "good.csv")
    assert json.loads(result.stdout)["schema"] == "fleetopt.workload/1"
    assert "400 requests, 0 bad lines left out" in result.stderr


def test_bad_lines_are_an_error_or_counted(folder: Path) -> None:
    result = run("workload", "fit", "bad.csv", "-o", "w.json")
    assert result.exit_code == 2
    for expected in ("bad.csv, line 11: arrived_at", "bad.csv, line 12: num_prefill_tokens",
                     "2 of 402 lines are bad"):  # fmt: skip
        assert expected in result.stderr
    assert not Path("w.json").exists()
    workload = fitted("bad.csv", "--skip-bad-lines")
    assert workload.files[0].skipped == 2
    assert "2 bad lines left out" in run("workload", "show", "w.json").stdout


def test_scaling_cutting_and_merging(folder: Path) -> None:
    whole = fitted("good.csv").arrivals
    slow = fitted("good.csv", "--scale-time", "4").arrivals
    more = fitted("good.csv", "--scale-rate", "3").arrivals
    part = fitted("good.csv", "--start", "50", "--end", "100").arrivals
    both = fitted("good.csv", "good.csv")
    assert whole and slow and more and part and both.arrivals  # noqa: PT018
    assert slow.rate == pytest.approx(whole.rate / 4)
    assert more.requests == 3 * whole.requests
    assert part.duration_s <= 50.0
    assert both.arrivals.rate == pytest.approx(2 * whole.rate, rel=0.01)
    assert [file.requests for file in both.files] == [400, 400]


def test_show_in_every_form(folder: Path) -> None:
    workload = fitted("good.csv")
    text = run("workload", "show", "w.json").stdout
    assert workload.arrivals is not None
    for expected in ("Lengths, in tokens", "Gaps: squared coefficient of variation", "Models",
                     f"{workload.arrivals.rate:.4g} per second", "good.csv (csv)"):  # fmt: skip
        assert expected in text
    data = json.loads(run("workload", "show", "w.json", "--format", "json").stdout)
    assert data["schema"] == "fleetopt.workload-figures/1"
    assert data["arrivals"]["rate"] == workload.arrivals.rate
    rows = list(
        csv.DictReader(io.StringIO(run("workload", "show", "w.json", "--format", "csv").stdout))
    )
    assert [int(row["total_tokens"]) for row in rows][-1] == workload.max_tokens
    assert data["quantiles"][2]["prompt_tokens"] == int(rows[2]["prompt_tokens"])


def test_show_takes_any_length_file(folder: Path) -> None:
    text = run("workload", "show", "lmsys").stdout
    assert "LMSYS-Chat-1M" in text
    assert "65,536" in text
    assert "Arrivals" not in text


@pytest.mark.parametrize(
    ("name", "starts"), [("w.png", b"\x89PNG"), ("w.svg", b"<?xml"), ("w.PDF", b"%PDF")]
)
def test_figures_are_images(name: str, starts: bytes, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    fitted("good.csv")
    assert run("workload", "show", "w.json", "--plot", name).exit_code == 0
    assert Path(name).read_bytes().startswith(starts)
    assert Path(name).stat().st_size > 10_000


def test_a_figure_of_lengths_alone(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("workload", "show", "lmsys", "--plot", "l.png").exit_code == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fit gone.csv more.csv", ["'gone.csv': no such file", "'more.csv': no such file"]),
        ("fit good.csv --format cvs", ["unknown trace format 'cvs' (did you mean 'csv'?)"]),
        ("fit good.csv --columns prompt", ["--columns: expected pairs such as prompt=tokens_in"]),
        ("fit good.csv --columns promt=a", ["unknown field 'promt' (did you mean 'prompt'?)"]),
        ("fit good.csv --columns prompt=modle", ["no column 'modle' for prompt (did you mean"]),
        ("fit good.csv --start -1 --scale-time 0 --scale-rate nan",
         ["--start: must be at least 0", "--scale-time: expected a number above 0, got 0",
          "--scale-rate: expected a number above 0, got nan"]),
        ("fit good.csv --start 9 --end 8", ["--end: must be above the start, 9, got 8"]),
        ("fit good.csv --start 1e9", ["no requests arrive in [1e+09, inf) s"]),
        ("fit good.csv -o no/such/w.json", ["cannot be written"]),
        ("fit .", ["this is a directory"]),
        ("fit", ["Missing argument 'TRACE...'"]),
        ("show gone.json", ["no such file or bundled workload"]),
        ("show lmsys --plot l.bmp", ["--plot l.bmp: expected a name that ends in .pdf, .png or"]),
        ("show lmsys --plot no/such/l.png", ["cannot be written"]),
        ("fti good.csv", ["No such command 'fti'"]),
    ],
)  # fmt: skip
def test_wrong_input(words: str, expected: list[str], folder: Path) -> None:
    result = run("workload", *words.split())
    assert result.exit_code == 2
    for text in expected:
        assert text in result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--trace gone.csv --rate peak:5x --slo -1",
         ["'gone.csv': no such file", "--rate: expected mean, or peak", "--slo: must be greater"]),
        ("--trace good.csv --cdf lmsys --lam 5",
         ["--cdf: the trace states the lengths", "--lam: the trace states the rate"]),
        ("--trace bad.csv", ["line 11: arrived_at", "2 of 402 lines are bad"]),
        ("--rate mean", ["trace.path: this key is required"]),
    ],
)  # fmt: skip
def test_wrong_traces_of_solve(words: str, expected: list[str], folder: Path) -> None:
    result = run("solve", *words.split(), "--no-verify")
    assert result.exit_code == 2
    for text in expected:
        assert text in result.stderr


def test_solve_on_a_trace_and_verify_its_plan(folder: Path) -> None:
    """The straight way, with verification on the trace, which has to be there again later."""
    options = ["--trace", "bad.csv", "--skip-bad-lines", "--slo", "500", "--rate", "peak:1m"]
    result = run("solve", *options, "--gpus", "h100", "--requests", "20000", "--replications", "4",
                 "--verify-top", "1", "--format", "json", "--output", "plan.json")  # fmt: skip
    assert result.exit_code in (0, 3), result.output
    plan = json.loads(Path("plan.json").read_text())
    assert plan["problem"]["trace"]["rate"] == "peak:1m"
    assert plan["verification"]["trace"]["requests"] == 400
    assert "designed for the largest rate over 1m of bad.csv" in plan["notes"][-1]
    again = run("verify", "plan.json", "--format", "json")
    assert again.exit_code in (0, 3), again.output
    assert json.loads(again.stdout)["fleet"] == plan["fleet"]
    assert json.loads(again.stdout)["verification"] == plan["verification"]
    Path("bad.csv").unlink()
    gone = run("verify", "plan.json")
    assert gone.exit_code == 2
    assert "the plan was designed for this trace" in gone.stderr
    assert "--trace FILE" in gone.stderr
