"""Every kind of wrong input: exit code 2, one clear message, nothing written."""

import json
import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli

GOOD = {"cdf": [[512, 0.5], [1024, 1.0]]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(*arguments):
    """The message of a refused command, which must leave the folder as it was."""
    before = sorted(Path().rglob("*"))
    result = CliRunner().invoke(cli, [*arguments])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert sorted(Path().rglob("*")) == before
    return result.stderr


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # rates and bounds must be positive numbers
        ("--lam 0", "Error: --lam: must be greater than 0, got 0"),
        ("--lam -3", "Error: --lam: must be greater than 0, got -3"),
        ("--lam nan", "Error: --lam: expected a finite number, got nan"),
        ("--lam many", "Error: --lam: expected a number, got 'many'"),
        ("--slo 0", "Error: --slo: must be greater than 0, got 0"),
        ("--slo-tpot -1", "Error: --slo-tpot: must be greater than 0, got -1"),
        ("--slo-e2e inf", "Error: --slo-e2e: expected a finite number, got inf"),
        # bounds in one text: too few words, a wrong metric, percentile and limit, one twice
        (
            "--bound 'p99 ttft'",
            "Error: --bound: expected a percentile, a metric and a limit in ms, such as "
            "'p99 ttft 500', got 'p99 ttft'",
        ),
        ("--bound '99 ttft 500'", "such as 'p99 ttft 500', got '99 ttft 500'"),
        (
            "--bound 'p99 ttf 500'",
            "Error: --bound: expected 'ttft', 'tpot' or 'e2e', got 'ttf' (did you mean 'ttft'?)",
        ),
        ("--bound 'p100 ttft 500'", "Error: --bound: must be less than 100, got '100'"),
        ("--bound 'p99 ttft soon'", "Error: --bound: expected a number, got 'soon'"),
        ("--bound 'p99 ttft -1'", "Error: --bound: must be greater than 0, got '-1'"),
        ("--bound 'p99 ttft 500' --bound 'p99 ttft 300'", "--bound: P99 TTFT is stated twice"),
        (
            "--bound 'p99 ttft 500' --slo 300",
            "Error: --bound: cannot stand beside --slo (state every bound with --bound)",
        ),
        # scopes, and a method that knows one only
        ("--slo-scope fleat", "expected 'pool' or 'fleet', got 'fleat' (did you mean 'fleet'?)"),
        (
            "--slo-scope fleet --method published",
            "Error: --method: the published method sizes each pool by itself, not the fleet",
        ),
        # percentiles lie in (0, 100) and are no shares
        ("--percentile 100", "Error: --percentile: must be less than 100, got 100"),
        ("--percentile 0", "Error: --percentile: must be greater than 0, got 0"),
        ("--percentile 99%", "Error: --percentile: expected a number, got '99%'"),
        # GPUs: unknown with a near name, unknown with none, twice, none
        ("--gpus a100,h1000", "Error: --gpus: unknown GPU 'h1000' (did you mean 'h100'?)"),
        ("--gpus zzz", "Error: --gpus: unknown GPU 'zzz' (known: a100, a10g, h100, splitwise-"),
        ("--gpus h100,h100", "Error: --gpus: h100 is stated twice"),
        ("--gpus h100,", "Error: --gpus: unknown GPU ''"),
        # workloads: unknown with a near name
        ("--cdf lmsis", "'lmsis': no such file or bundled workload (did you mean 'lmsys'?)"),
        # thresholds: outside the range, above the largest context, no number
        ("--b-short 0", "Error: --b-short: must be greater than 0, got 0"),
        ("--b-short 65536", "Error: --b-short: must be below the largest context 65536"),
        (
            "--b-short 9000 --long-max-ctx 8192",
            "Error: --b-short: must be below the largest context 8192, got 9000",
        ),
        ("--b-short half", "Error: --b-short: expected a whole number, got 'half'"),
        ("--b-short 10 --max-pools 1", "Error: --b-short: these make 2 pools"),
        # counts
        ("--max-pools 0", "Error: --max-pools: must be at least 1, got 0"),
        ("--max-pools 2.5", "Error: --max-pools: expected a whole number, got 2.5"),
        ("--long-max-ctx 0", "Error: --long-max-ctx: must be greater than 0, got 0"),
        # compression: factors below 1, repeated, no numbers; shares that are none
        ("--gammas 0.9", "Error: --gammas: must be at least 1, got 0.9"),
        ("--gammas 1.5,0.5", "Error: --gammas: must be at least 1, got 0.5"),
        ("--gammas 1.5,1.5", "Error: --gammas: 1.5 is stated twice"),
        ("--gammas nan", "Error: --gammas: expected a finite number, got nan"),
        ("--gammas 1.5,", "Error: --gammas: expected a number, got ''"),
        ("--gammas much", "Error: --gammas: expected a number, got 'much'"),
        ("--p-c 0", "Error: --p-c: must be greater than 0, got 0"),
        ("--p-c 120%", "Error: --p-c: must be at most 1, got 1.2"),
        # side constraints: unknown and repeated types, negative and empty caps
        ("--inventory h10=8", "Error: --inventory: unknown GPU type 'h10' (did you mean 'h100'?)"),
        ("--inventory h100=-1", "Error: --inventory: must be at least 0, got -1"),
        ("--inventory h100=many", "Error: --inventory: expected a whole number, got 'many'"),
        ("--inventory h100", "Error: --inventory: expected each type once, such as h100=8,a100=4"),
        ("--inventory h100=8,h100=4", "Error: --inventory: expected each type once"),
        ("--inventory h100=8 --inventory h100=4", "Error: --inventory: expected each type once"),
        ("--max-gpus 0", "Error: --max-gpus: must be at least 1, got 0"),
        ("--max-gpus -4", "Error: --max-gpus: must be at least 1, got -4"),
        ("--power-kw -1", "Error: --power-kw: must be greater than 0, got -1"),
        ("--budget 0", "Error: --budget: must be greater than 0, got 0"),
        ("--budget nan", "Error: --budget: expected a finite number, got nan"),
        ("--node-size 0", "Error: --node-size: must be at least 1, got 0"),
        ("--min-replicas 0", "Error: --min-replicas: must be at least 1, got 0"),
        ("--availability 0", "Error: --availability: must be greater than 0, got 0"),
        ("--availability -0.5", "Error: --availability: must be greater than 0, got -0.5"),
        ("--availability 101%", "Error: --availability: must be at most 1, got 1.01"),
        ("--availability often", "Error: --availability: expected a number, got 'often'"),
        ("--availability often", "one of A100_AVAIL_RSC1_FAST, A100_AVAIL_RSC1_SLOW, H100_AVAIL_5"),
        ("--availability nan", "Error: --availability: expected a finite number, got nan"),
        ("--availability-target 0", "Error: --availability-target: must be greater than 0, got 0"),
        ("--availability-target 100%", "Error: --availability-target: must be less than 1, got 1"),
        ("--availability-rule average", "expected 'probability' or 'mean', got 'average'"),
        ("--failures -0.1:4h", "Error: --failures: must be at least 0, got -0.1"),
        ("--failures 0.1:0h", "Error: --failures: must be greater than 0, got 0"),
        ("--failures 0.1:4", "Error: --failures: expected failures in a node-day and a time to"),
        ("--failures 0.1:4h --availability 0.9", "Error: --failures: stand beside availability"),
        ("--gpus-per-node 0", "Error: --gpus-per-node: must be at least 1, got 0"),
        # words with a near one
        ("--admission page", "expected 'reserved' or 'paged', got 'page' (did you mean 'paged'?)"),
        ("--method publish", "(did you mean 'published'?)"),
        ("--overlong cut", "Error: --overlong: expected 'clip' or 'reject', got 'cut'"),
        # shares
        ("--headroom 20x", "Error: --headroom: expected a number, got '20x'"),
        ("--headroom -20%", "Error: --headroom: must be at least 0, got -0.2"),
        ("--gap 100%", "Error: --gap: must be less than 1, got 1"),
        # effort
        ("--node-limit -1", "Error: --node-limit: must be at least 0, got -1"),
        ("--node-limit 2.5", "Error: --node-limit: expected a whole number, got 2.5"),
        ("--threads -1", "Error: --threads: must be at least 0, got -1"),
        ("--solver c:bc", "Error: --solver: expected letters, digits"),
        ("--solver nope", "Error: --solver: the solver 'nope' is not installed, or not known"),
        ("--save-lp p.txt", "Error: --save-lp: expected a file in .lp or .mps, got 'p.txt'"),
        ("--save-lp no/p.lp", "Error: --save-lp no/p.lp: cannot be written: there is no folder"),
        ("--solver-log no/log", "Error: --solver-log no/log: cannot be written: there is no"),
        ("--solver-log .", "Error: --solver-log '.': expected a file, this is a directory"),
        ("--save-lp a.lp --solver-log a.lp", "Error: --save-lp: this is the file of --solver-log"),
        ("--solver-log plan.json", "Error: --solver-log: this is the file of --output"),
        ("--time-limit 0", "Error: --time-limit: must be greater than 0, got 0"),
        ("--verify-top 0", "Error: --verify-top: must be at least 1, got 0"),
        ("--requests 5", "Error: --requests: must be at least 100, got 5"),
        ("--replications 1", "Error: --replications: must be at least 2, got 1"),
        ("--seed -1", "Error: --seed: must be at least 0, got -1"),
        # click's own
        ("--lamb 5", "No such option '--lamb'"),
        ("--format xml", "'xml' is not one of"),
    ],
)
def test_wrong_options_of_solve(options, expected, folder):
    assert expected in refusal("solve", *shlex.split(options), "--output", "plan.json")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # not JSON, empty, NaN; the file's name is the place
        (b"tokens", "Error: my.json: expected JSON"),
        (b"", "Error: my.json: expected JSON, the file is empty"),
        (b"[[512, NaN], [1024, 1]]", "Error: my.json, cdf[0] fraction: expected a number in"),
        # points out of order, repeated, not ending at 1, negative
        (b"[[1024, 0.5], [512, 1]]", "my.json, cdf[1] tokens: 512 follows 1024; tokens must"),
        (b"[[512, 0.5], [512, 1]]", "my.json, cdf[1] tokens: 512 appears twice"),
        (b"[[1, 0.5], [2, 0.4], [3, 1]]", "my.json, cdf[1] fraction: 0.4 follows 0.5"),
        (b"[[1, 0.5]]", "my.json, cdf[0] fraction: the last fraction must be 1, got 0.5"),
        (b"[[-1, 1]]", "my.json, cdf[0] tokens: expected a whole number"),
        (b"[]", "my.json, cdf: expected a non-empty list"),
        # an unknown key
        (b'{"cdf": [[1, 1]], "sorce": ""}', "my.json, sorce: unknown key 'sorce' (did you mean"),
    ],
)
@pytest.mark.parametrize("command", ["solve", "table --gpu h100"])
def test_wrong_length_files(command, content, expected, folder):
    Path("my.json").write_bytes(content)
    message = refusal(*command.split(), "--cdf", "my.json", "--output", "answer.txt")
    assert expected in message


def test_files_that_are_missing_or_no_files(folder):
    Path("dangling.json").symlink_to("gone.json")
    Path("sub").mkdir()
    assert "no such file" in refusal("solve", "--cdf", "gone.json")
    assert "no such file" in refusal("solve", "--cdf", "dangling.json")
    assert "this is a directory" in refusal("solve", "--cdf", "sub")
    assert "no such problem file" in refusal("solve", "gone.toml")
    assert "this is a directory" in refusal("solve", "sub")
    assert "no such file" in refusal("verify", "gone.json")
    assert "this is a directory" in refusal("verify", "sub")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_that_may_not_be_read(folder):
    path = Path("closed.json")
    path.write_text(json.dumps(GOOD))
    path.chmod(0)
    assert "closed.json: cannot be read: Permission denied" in refusal("solve", "--cdf", str(path))


def test_all_faults_of_a_problem_file_at_once(folder):
    """The file's keys keep the file as their place, options have their own name."""
    Path("p.toml").write_text(
        'arrival_rat = 5\nadmission = "page"\ncdf = [[512, 0.5], [256, 0.9]]\n'
        'gpus = ["h1000"]\n[[slo]]\nlimit_ms = -1\n[solver]\ntime_limit = 3\n'
    )
    lines = refusal("solve", "p.toml", "--percentile", "101").splitlines()
    assert lines[0] == "Error: 8 faults in the input"
    assert set(lines[1:]) == {
        "  - p.toml, arrival_rat: unknown key 'arrival_rat' (did you mean 'arrival_rate'?)",
        "  - p.toml, admission: expected 'reserved' or 'paged', got 'page' (did you mean 'paged'?)",
        "  - p.toml, cdf[1] tokens: 256 follows 512; tokens must ascend",
        "  - p.toml, cdf[1] fraction: the last fraction must be 1, got 0.9 at 256",
        "  - p.toml, gpus[0]: unknown GPU 'h1000' (did you mean 'h100'?)",
        "  - p.toml, slo[0].limit_ms: must be greater than 0, got -1",
        "  - p.toml, solver.time_limit: unknown key 'time_limit' (did you mean 'time_limit_s'?)",
        "  - --percentile: must be less than 100, got 101",
    }


def test_side_constraints_of_a_file(folder):
    """A type on no profile, and a power cap where a profile does not tell its power."""
    Path("p.toml").write_text(
        'gpus = ["mine", "h100"]\npower_kw = 5\nmax_gpus = -1\n'
        "[inventory]\nmi300 = 8\nh1000 = 2\na100 = -2\n"
        '[[profiles]]\nname = "mine"\ngpu = "mi300"\nbase_s = 0.01\nper_sequence_s = 0.001\n'
        "calibration_context_tokens = 8192\nchunk_tokens = 512\nkv_blocks = 65536\n"
        "calibration_slots = 128\nusd_per_hour = 2.0\n"
    )
    assert set(refusal("solve", "p.toml").splitlines()[1:]) == {
        "  - p.toml, max_gpus: must be at least 1, got -1",
        "  - p.toml, inventory.a100: must be at least 0, got -2",
        "  - p.toml, power_kw: the profile 'mine' has no power curve (give it one, or leave the "
        "profile or the cap out)",
    }
    text = Path("p.toml").read_text().replace("max_gpus = -1\n", "").replace("a100 = -2\n", "")
    Path("p.toml").write_text(text)
    assert set(refusal("solve", "p.toml").splitlines()[1:]) == {
        "  - p.toml, inventory.h1000: unknown GPU type 'h1000' (did you mean 'h100'?)",
        "  - p.toml, power_kw: the profile 'mine' has no power curve (give it one, or leave the "
        "profile or the cap out)",
    }


def test_faults_of_options_files_and_output_come_together(folder):
    Path("my.json").write_text("[[2, 1], [1, 1]]")
    message = refusal("solve", "--cdf", "my.json", "--lam", "0", "--gpus", "h1000",
                      "--output", "no/plan.json")  # fmt: skip
    assert message.splitlines() == [
        "Error: 4 faults in the input",
        "  - --lam: must be greater than 0, got 0",
        "  - my.json, cdf[1] tokens: 1 follows 2; tokens must ascend",
        "  - --gpus: unknown GPU 'h1000' (did you mean 'h100'?)",
        f"  - --output no/plan.json: cannot be written: there is no folder {Path('no').resolve()}",
    ]


@pytest.mark.parametrize("command", ["solve", "table --gpu h100", "info"])
def test_output_paths_that_cannot_be_written(command, folder):
    """They are found out before anything else is done."""
    Path("sub").mkdir()
    assert "this is a directory" in refusal(*command.split(), "--output", "sub")
    assert "there is no folder" in refusal(*command.split(), "--output", "no/file")
    assert "cannot be written" in refusal(*command.split(), "--output", "x" * 400)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # a pool needs a GPU and a range
        ("--lo 0", "Missing option '--gpu'"),
        ("--gpu h10", "Error: --gpu: unknown GPU 'h10' (did you mean 'h100'?)"),
        ("--gpu h100 --lo 8192 --hi 4096", "--lo: must be below --hi, which is 4096, got 8192"),
        ("--gpu h100 --hi 0", "Invalid value for '--hi'"),
        ("--gpu h100 --replicas 0", "Invalid value for '--replicas'"),
        ("--gpu h100 --lam 0", "Error: --lam: must be greater than 0, got 0"),
    ],
)
def test_wrong_options_of_table(options, expected, folder):
    assert expected in refusal("table", *options.split())


def test_verify_refuses_what_is_no_plan(folder):
    Path("plan.json").write_text(json.dumps(GOOD))
    message = refusal("verify", "plan.json")
    assert "plan.json, schema: expected 'fleetopt.plan/1', got None" in message


def test_verify_names_its_options(folder):
    stored = Path(__file__).parents[1] / "data" / "plan.json"
    message = refusal("verify", str(stored), "--requests", "5", "--output", "no/plan.json")
    assert "--requests: must be at least 100, got 5" in message
    assert "--output no/plan.json: cannot be written" in message


def test_new_refuses_to_overwrite_and_unknown_models(folder):
    Path("mine").mkdir()
    assert "it exists already" in refusal("new", "mine")
    assert "did you mean 'azure'?" in refusal("new", "other", "--from", "azur")


def test_an_option_without_its_value(folder):
    assert "Option '--lam' requires an argument" in refusal("solve", "--lam")


def test_unknown_commands_have_near_names(folder):
    assert "No such command 'slove' (did you mean 'solve'?)" in refusal("slove")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        # the model, the GPU, the engine and both files
        (
            "profile show --model nope --gpu h1000 --tp 0 --plot x.txt --output no/x",
            ["--model: ", "--gpu: ", "--tp: ", "--plot x.txt: ", "--output no/x: "],
        ),
        ("profile fits --model nope --gpus h1000 --tp 0", ["--model: ", "--gpus: ", "--tp: "]),
        (
            "profile fit no.csv --name x --gpu h1000 --kv-tokens 100 --profile no/x",
            ["'no.csv': ", "--gpu: ", "--profile no/x: "],
        ),
        ("profile validate no.csv -o no/x", ["'no.csv': ", "--output no/x: "]),
        ("profile import-hf no.json --out no/x", ["'no.json': ", "--output no/x: "]),
        ("workload show no.json -o no/x", ["'no.json': ", "--output no/x: "]),
        # a pool may be left out, but has no fewer GPUs than none
        (
            "simulate --cdf azure --n-s -1 --n-l 2 --gpu-short nope",
            ["--n-s: must be at least 0, got -1", "--gpu-short: "],
        ),
        # options, not the keys that they set
        ("solve --tp 2 --weights fp8", ["--tp, --weights: goes together with `model`"]),
        ("whatif", ["--cdf: is required"]),
        ("reproduce --scenario puzzle_44", ["--scenario 'puzzle_44': is not published"]),
    ],
)
def test_faults_of_several_options_are_told_at_once(folder, command, expected):
    message = refusal(*shlex.split(command))
    assert [text for text in expected if text not in message] == []
    assert message.count("\n") == len(expected) + (len(expected) > 1)


@pytest.mark.parametrize("spelling", ["-o", "--output", "--out"])
@pytest.mark.parametrize("command", ["info", "workload show lmsys", "table --gpu h100"])
def test_every_command_takes_each_name_of_the_output(folder, command, spelling):
    result = CliRunner().invoke(cli, [*command.split(), "--format", "json", spelling, "x.json"])
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert json.loads(Path("x.json").read_text())
