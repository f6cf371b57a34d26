"""What leaves the process: exit codes, and messages on standard error."""

import os
import subprocess
import sys
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from fleetopt.cli import main
from fleetopt.errors import Fault, InfeasibleError, InputError, SolverError

RUN = "from fleetopt.cli.main import run; run()"


def process(*arguments, **options):
    """Run the console script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, **options
    )


@pytest.fixture
def raising(monkeypatch):
    """A function that runs a command which raises the given error."""

    def run(error, *options, env=None):
        def callback():
            raise error

        module = ModuleType("fleetopt.cli.raising")
        module.command = click.Command("raising", callback=callback)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(main.COMMANDS, "raising", "Raise an error.")
        return CliRunner().invoke(main.cli, [*options, "raising"], env=env)

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        # no plan, wrong input
        (InfeasibleError("prefill takes 20 ms"), 1, "No feasible plan: prefill takes 20 ms\n"),
        (InputError.single("--lam", "no"), 2, "Error: --lam: no\n"),
        (
            InputError([Fault("a", "x"), Fault("b", "y", "z")]),
            2,
            "Error: 2 faults in the input\n  - a: x\n  - b: y (z)\n",
        ),
        # interrupted by the user
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
)
def test_errors_have_their_exit_codes(error, code, message, raising):
    result = raising(error)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", message)


@pytest.mark.parametrize("error", [KeyError("x"), SolverError("HiGHS stopped"), MemoryError()])
def test_own_faults_say_what_to_report(error, raising):
    result = raising(error)
    assert result.exit_code == 70
    assert "This is a fault of fleetopt" in result.stderr
    assert "FLEETOPT_DEBUG=1" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("options", "env"), [(["--debug"], {}), ([], {"FLEETOPT_DEBUG": "1"})])
def test_debug_lets_the_error_through(options, env, raising):
    assert isinstance(raising(KeyError("x"), *options, env=env).exception, KeyError)


def test_the_process_ends_with_the_code_of_its_error():
    """Wrong options, wrong input, and none."""
    assert process("solve", "--nope").returncode == 2
    refused = process("solve", "--lam", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "Error: --lam: must be greater than 0, got 0\n"
    assert process("info").returncode == 0


def test_help_loads_neither_numpy_nor_pydantic_nor_rich():
    """Help must come at once, so no heavy package may be imported for it."""
    script = (
        "import sys\n"
        "from fleetopt.cli.main import cli\n"
        "cli.main(['--help'], prog_name='fleetopt', standalone_mode=False)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Commands:" in done.stdout
    heavy = {"numpy", "scipy", "pydantic", "rich", "pyomo", "numba", "networkx", "highspy"}
    assert heavy.isdisjoint(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["info"], ["info", "--format", "json"]])
def test_a_reader_that_goes_away_is_no_error(arguments):
    """The output goes to a pipe whose other end is closed already."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", RUN, *arguments], stdout=pipe, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_said():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", RUN, "info"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert "standard output: cannot be written: No space left on device" in done.stderr


def test_a_terminal_without_unicode_still_gets_an_answer():
    done = process("info", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "lmsys" in done.stdout
