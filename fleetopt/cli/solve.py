"""`fleetopt solve`: the cheapest fleet that meets the SLO, verified by simulation."""

from __future__ import annotations

import click

from fleetopt.cli import options


@click.command(name="solve")
@click.argument("problem", required=False)
@options.workload
@options.slo
@options.scope
@options.fleet
@options.engines
@options.phases
@options.side
@options.tables
@options.problem_option(
    "--verify/--no-verify",
    key="verification.enabled",
    default=None,
    help="Simulate the plan before it is accepted.",
)
@options.problem_option(
    "--verify-top",
    key="verification.top",
    metavar="K",
    help="Also simulate the next best fleets, K in all.",
)
@options.simulation
@options.solver
@click.option(
    "--allow-python",
    is_flag=True,
    help="Run the Python file that PROBLEM names as its extension; bundled ones need no leave.",
)
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, problem: str | None, allow_python: bool, solver_log: str | None,
    save_lp: str | None, form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Find the cheapest fleet that meets the SLO, and verify it by simulation.

    PROBLEM is a TOML file or the name of a bundled model; options override its keys.
    Exit code 1 means that no fleet meets the problem, 3 that simulation refuses the plan.
    Without a plan, --format json gives the reasons and the nearest fleet.
    """
    from fleetopt.cli import solver_files
    from fleetopt.cli.answer import finish, write_refusal
    from fleetopt.cli.output import progress
    from fleetopt.cli.statement import given_options, state
    from fleetopt.errors import InfeasibleError, InputError, StoppedError

    faults = solver_files.faults(solver_log, save_lp, output)
    stated = state(problem, given_options(ctx), output, faults, allow_python=allow_python)
    from fleetopt import study

    try:
        with progress(quiet=solver_log == "-") as show, solver_files.log(solver_log) as log:
            plan = study.solve(
                stated.problem,
                beside=stated.beside,
                extension=stated.extension,
                command=command_line(),
                progress=show,
                log=log,
                on_program=solver_files.saver(save_lp),
            )
    except InputError as error:
        raise stated.in_the_users_words(error) from None
    except (InfeasibleError, StoppedError) as error:
        write_refusal(error, form, output)
        raise
    finish(ctx, plan, form, output)


def command_line() -> str:
    """The command of this process, as it can be typed again."""
    import shlex
    import sys

    return shlex.join(["fleetopt", *sys.argv[1:]])
