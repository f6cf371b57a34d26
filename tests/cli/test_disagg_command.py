"""`fleetopt disagg`: the published command line, its forms, and wrong input."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

AS_PUBLISHED = (
    "disagg --cdf data/azure_cdf.json --lam 100 --slo-ttft 500 --slo-tpot 100 "
    "--gpu-prefill a100 --gpu-decode h100 --max-ctx 8192"
)
PUBLISHED = f"{AS_PUBLISHED} --method published"
RULE = "disagg --method published"
BY_TABLE = f"{AS_PUBLISHED} --no-verify --max-pools 1"
FLAGS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "published_cli.json"


def run(line: str) -> Result:
    return CliRunner().invoke(cli, shlex.split(line))


def test_the_answer_says_what_the_method_leaves_out() -> None:
    said = " ".join(run(PUBLISHED).stdout.split())
    assert "counts 1P+3D for a100P+h100D" in said
    assert "with the prompt's KV in decode and exact lengths it takes 1P+6D, 7 GPUs" in said
    assert "mean-rate capacity of full replicas, not a percentile" in said


def test_neither_solver_nor_simulator_is_loaded() -> None:
    script = (
        "import sys\nfrom fleetopt.cli.main import cli\n"
        "line = 'disagg --method published --cdf azure --format csv'\n"
        "cli(line.split(), standalone_mode=False)\n"
        "print({'pyomo', 'highspy', 'numba', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_json_and_csv_agree() -> None:
    rows = json.loads(run(f"{PUBLISHED} --format json").stdout)["rows"]
    flat = list(csv.DictReader(io.StringIO(run(f"{PUBLISHED} --format csv").stdout)))
    assert len(rows) == len(flat) == 6
    for row, other in zip(rows, flat, strict=True):
        assert other["config"] == row["config"]
        assert float(other["usd_per_year"]) == row["usd_per_year"]
        assert float(other["corrected_usd_per_year"]) == row["corrected"]["usd_per_year"]


def test_one_gpu_for_both_phases_is_one_pair() -> None:
    answer = run(
        "disagg --method published --cdf azure --lam 100 --gpu-decode h100 --format json"
    ).stdout
    configs = [row["config"] for row in json.loads(answer)["rows"]]
    assert configs == ["all-h100 aggregated", "h100P+h100D"]


def test_pairs_that_miss_stand_in_the_table_with_their_reason() -> None:
    done = run(f"{PUBLISHED} --slo-tpot 60 --format json")
    row = next(r for r in json.loads(done.stdout)["rows"] if r["config"] == "h100P+a100D")
    assert row["n_decode"] is None
    assert row["misses"].startswith("the TPOT of a decode replica (a100) is 91.2 ms")


def test_the_rate_of_a_workload_file_is_taken(tmp_path: Path) -> None:
    requests = "".join(f"{i / 4},{100 + i},{10 + i % 7}\n" for i in range(200))
    log, lengths = tmp_path / "log.csv", tmp_path / "lengths.json"
    log.write_text("time,prompt_tokens,output_tokens\n" + requests)
    assert run(f"workload fit {log} -o {lengths}").exit_code == 0
    done = run(f"disagg --method published --cdf {lengths} --format json")
    assert json.loads(done.stdout)["arrival_rate"] == pytest.approx(4.0)


def test_output_and_figure_are_written(tmp_path: Path) -> None:
    line = f"{RULE} --cdf azure --lam 5 --gpu-decode h100 --out {tmp_path}/a.json --format json"
    assert run(f"{line} --plot {tmp_path}/a.svg").exit_code == 0
    assert json.loads((tmp_path / "a.json").read_text())["asked"] == "h100P+h100D"
    figure = (tmp_path / "a.svg").read_text()
    assert "together in one pool" in figure


def test_published_flags_and_defaults() -> None:
    if not FLAGS.is_file():
        pytest.skip(f"the published flags are not at {FLAGS}")
    published = json.loads(FLAGS.read_text())["disagg"]
    shown = " ".join(run("disagg --help").stdout.split())
    for flag, facts in published.items():
        assert flag in shown
        if facts["default"] is not None:
            after = shown.split(f"{flag} ", 1)[1]
            assert after.split("[default: ", 1)[1].startswith(str(facts["default"]))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--max-ctx 0", "--max-ctx: must be at least 2, got 0"),
        ("--mean-isl 9000", "--mean-isl: mean prompt and output are 9,000 + 483 tokens, above"),
        ("--mean-osl 8000", "--mean-osl: mean prompt and output are 1,450 + 8,000 tokens, above"),
        ("--gpu-decode h10", "--gpu-decode: unknown GPU 'h10' (did you mean 'h100'?)"),
        ("--slo-ttft -1", "--slo-ttft: must be greater than 0, got -1"),
        ("--max-prefill 0", "--max-prefill: must be at least 1, got 0"),
        ("--method fleetopt", "--method: expected 'program' or 'published', got 'fleetopt'"),
        (
            "--kv-transfer factor:1.8",
            "--kv-transfer: a factor of the TTFT is of the published rule",
        ),
        ("--link ndr", "--link: unknown link 'ndr'"),
        ("--link 50:h100:h10", "--link: 'h10' is none of the profiles or GPUs of this problem"),
        (
            "--method published --ratio-sweep",
            "--ratio-sweep: the published rule has no percentiles",
        ),
        ("--plot a.pdf", "--plot a.pdf: expected a name that ends in .png or .svg"),
    ],
)
def test_wrong_input(flags: str, said: str) -> None:
    done = run(f"disagg --cdf azure {flags}")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert f"Error: {said}" in done.stderr


def test_wrong_input_is_told_at_once() -> None:
    done = run("disagg --cdf nothing --lam 0 --gpu-prefill h10 --output /nowhere/a")
    assert done.exit_code == 2
    assert "4 faults" in done.stderr
    for part in ("--lam", "'nothing'", "--gpu-prefill", "--output /nowhere/a"):
        assert f"- {part}: " in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--slo-tpot 90", "h100P+a100D: the TPOT of a decode replica (a100) is 91.2 ms, above 90"),
        ("--lam 3000", "64 decode replicas serve 1206 of 3000 requests per second, 160 are needed"),
    ],
)
def test_no_counts_keep_the_slo(flags: str, said: str) -> None:
    done = run(f"disagg --method published --cdf azure {flags}")
    assert done.exit_code == 1
    assert done.stderr.startswith("No feasible plan: ")
    assert said in done.stderr
    assert said in run(f"disagg --method published --cdf azure {flags} --format json").stdout


def test_the_program_answers_unless_the_rule_is_asked_for() -> None:
    """Every kind of fleet, what it saves, and the published counts beside it."""
    found = json.loads(run(f"{BY_TABLE} --ratio-sweep --format json").stdout)
    rows = {row["config"]: row for row in found["rows"]}
    assert found["method"] == "program"
    asked = rows["a100P+h100D"]
    assert (asked["published"]["n_prefill"], asked["published"]["n_decode"]) == (1, 3)
    assert asked["n_prefill"] >= 3
    assert asked["n_decode"] >= 6
    assert rows["all-h100 aggregated"]["published"]["gpus"] == 7
    together = min(r["usd_per_year"] for r in rows.values() if r["side"] == "aggregated")
    for row in rows.values():
        assert row["saving"] == pytest.approx(1 - row["usd_per_year"] / together)
        assert row["verdict"] == "not verified"
    counts = {(r["n_prefill"], r["n_decode"]): r for r in found["ratios"]}
    best = counts[asked["n_prefill"], asked["n_decode"]]
    assert best["is_best"]
    assert best["keeps"]
    cheaper = [r for r in counts.values() if r["usd_per_year"] < best["usd_per_year"]]
    assert cheaper
    assert not any(r["keeps"] for r in cheaper)


def test_the_fleets_are_simulated() -> None:
    """With intervals around what the tables say; the CSV has the same figures."""
    line = "disagg --cdf azure --lam 20 --gpu-prefill h100 --gpu-decode h100 --max-pools 1"
    row = json.loads(run(f"{line} --format json").stdout)["rows"][1]
    assert row["config"] == "h100P+h100D"
    assert row["verdict"] == "pass"
    for metric in ("ttft_ms", "tpot_ms"):
        seen = row["simulated"][metric]
        assert seen["low"] <= seen["estimate"] <= seen["high"]
        assert seen["estimate"] == pytest.approx(row[metric], rel=0.15)
    flat = list(csv.DictReader(io.StringIO(run(f"{line} --format csv").stdout)))[1]
    assert float(flat["simulated_ttft_ms"]) == row["simulated"]["ttft_ms"]["estimate"]
    assert int(flat["published_n_decode"]) == row["published"]["n_decode"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--slo-ttft 30 --link 1", "the least that a fleet of at most 1 pools can meet is"),
        ("--slo-tpot 3", "P99 TPOT <= 3 ms: the least that a fleet of at most 1 pools can meet"),
        ("--max-decode 2", "decode replicas are needed, at most 2 are allowed (--max-decode)"),
        ("--link 50:h100:h100", "no link takes KV from a100 to h100 (--link)"),
    ],
)
def test_no_pair_keeps_the_slo(flags: str, said: str) -> None:
    done = run(f"{BY_TABLE} {flags}")
    assert done.exit_code == 1
    assert done.stderr.startswith("No feasible plan: a100P+h100D: ")
    assert said in done.stderr


def test_the_transfer_may_be_that_of_the_link() -> None:
    """In the published rule, in the place of a factor of 1.8."""
    rows = [
        {row["config"]: row for row in json.loads(run(line).stdout)["rows"]}
        for line in (f"{PUBLISHED} --format json", f"{PUBLISHED} --kv-transfer link --format json")
    ]
    by_factor, by_link = (row["a100P+h100D"]["ttft_ms"] for row in rows)
    assert by_link == pytest.approx(by_factor / 1.8 + 1450 * 40960 / 25e9 * 1e3 + 0.01)


def test_when_it_is_worth_it(tmp_path: Path) -> None:
    assert (
        run(f"{BY_TABLE} --format json -o {tmp_path}/a.json --plot {tmp_path}/a.svg").exit_code == 0
    )
    figure = (tmp_path / "a.svg").read_text()
    for words in ("bound on P99 TTFT, ms", "apart is cheaper", "together is cheaper"):
        assert words in figure
