"""The `fleetopt` command: a group that loads each command on demand, and the exit codes.

0 answered, 1 no plan, 2 wrong input, 3 verification failed, 70 a fault of
fleetopt, 130 interrupted, 141 the reader of the output went away.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, Any, cast

import click

from fleetopt.errors import (
    ExtensionError,
    FleetoptError,
    InfeasibleError,
    InputError,
    StoppedError,
    near,
)

INTERRUPTED = 130
BROKEN_PIPE = 141

COMMANDS = {
    "solve": "Find the cheapest fleet that meets the SLO, and verify it by simulation.",
    "advise": "Answer a planner's usual questions, and test rules of thumb.",
    "frontier": "Find every fleet that no other beats in both of two objectives.",
    "table": "Print feasibility-table rows of one pool.",
    "verify": "Simulate a saved plan afresh.",
    "diff": "Say what two saved plans differ in, and why.",
    "pareto": "Find where to split requests between two pools with given GPUs.",
    "optimize": "Size two pools with given GPUs at a fixed split, and verify the best.",
    "whatif": "Say when GPUs have to be added, or which GPU and which mix is cheapest.",
    "disagg": "Compare prefill and decode apart with aggregated pools.",
    "placement": "Find the placement with the largest rate per GPU that is in time.",
    "tok-per-watt": "Compare GPU types, or a split with one pool, by output tokens per watt.",
    "grid-flex": "Shed power by capping batches, switching replicas off and deferring requests.",
    "explain": "Say why a fleet misses its SLO, or what would bind first.",
    "simulate": "Simulate two pools behind a router, or the fleet of a plan.",
    "compare-routers": "Compare routers before two pools, on the same arrivals.",
    "simulate-fleet": "Simulate the fleet of a file.",
    "profile": "Derive profiles from data sheets, model files and measurements.",
    "workload": "Fit a workload to recorded traffic, and show it.",
    "reproduce": "Compute every published scenario again, and say what differs and why.",
    "new": "Copy a bundled model into a new folder.",
    "info": "List bundled workloads, profiles, GPUs and models.",
}


class Failure(click.ClickException):
    """An error whose message is complete; each kind has its own exit code."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message on standard error."""
        click.echo(self.message, file=file or sys.stderr)


class NoPlan(Failure):
    """No fleet meets the problem."""

    exit_code = 1


class WrongInput(Failure):
    """What the user gave is wrong."""

    exit_code = 2


class OwnFault(Failure):
    """Something in fleetopt failed."""

    exit_code = 70


class Interrupted(Failure):
    """The user stopped the command."""

    exit_code = INTERRUPTED


class Commands(click.Group):
    """Commands whose modules load when they are called; `--help` loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        return cast(
            click.Command, import_module(f"fleetopt.cli.{cmd_name.replace('-', '_')}").command
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or name the nearest one."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r} ({near(args[0], COMMANDS)}).")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of all commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line; prints the help where it asks for it."""
        with _quiet_without_reader():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; every error leaves as a message with its exit code."""
        with _quiet_without_reader():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            raise Interrupted("Interrupted.") from None
        except InputError as error:
            raise WrongInput(_input_message(error)) from None
        except InfeasibleError as error:
            raise NoPlan(f"No feasible plan: {error}") from None
        except StoppedError as error:
            raise NoPlan(f"No plan: {error}") from None
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise OwnFault(_own_fault_message(error)) from None


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, envvar="FLEETOPT_DEBUG", help="Show tracebacks.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False,
              callback=lambda ctx, _, wanted: _print_version(ctx, wanted),
              help="Show the version and exit.")  # fmt: skip
def cli(debug: bool) -> None:
    """Design GPU fleets that serve large language models.

    Least cost under latency objectives, proved by simulation.
    """


SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",  # its threads cost more to start than these matrices take
    "PYDANTIC_DISABLE_PLUGINS": "__all__",  # looking for them reads every installed package
}
"""Environment of the process, where the user has not set it otherwise; read by imports."""


def run() -> None:
    """Run the command line of this process, and exit."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(100_000)  # imports make many objects and no garbage
    atexit.register(gc.freeze)  # nor is any looked for when the process ends
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        cli.main(prog_name="fleetopt")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:
        import traceback

        traceback.print_exc()
        sys.exit(OwnFault.exit_code)


def _print_version(ctx: click.Context, wanted: bool) -> None:
    if wanted:
        import fleetopt

        click.echo(f"fleetopt {fleetopt.__version__}")
        ctx.exit()


def _input_message(error: InputError) -> str:
    if isinstance(error, ExtensionError):
        return f"{error.trace}\nError: {error}"
    if len(error.faults) == 1:
        return f"Error: {error.faults[0]}"
    lines = [f"Error: {len(error.faults)} faults in the input"]
    return "\n".join(lines + [f"  - {fault}" for fault in error.faults])


def _own_fault_message(error: Exception) -> str:
    import platform

    import fleetopt

    kind = "" if isinstance(error, FleetoptError) else f"{type(error).__name__}: "
    return (
        f"Error: {kind}{error}\n"
        f"This is a fault of fleetopt, not of your input. Please report the command, its input "
        f"files,\nwhat the same command prints with FLEETOPT_DEBUG=1, and: fleetopt "
        f"{fleetopt.__version__}, Python {platform.python_version()}, {platform.platform()}."
    )


@contextmanager
def _quiet_without_reader() -> Iterator[None]:
    """Leave without a word when the reader of standard output has gone away."""
    try:
        yield
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(BROKEN_PIPE) from None
