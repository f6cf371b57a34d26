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
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, problem: str | None, form: str, output: str | None, **_: object
) -> None:  # fmt: skip
    """Find the cheapest fleet that meets the SLO, and verify it by simulation.

    PROBLEM is a TOML file or the name of a bundled model; options override its keys.
    Exit code 1 means that no fleet meets the SLO, 3 that simulation refuses the plan.
    """
    from fleetopt.cli.answer import finish
    from fleetopt.cli.output import progress
    from fleetopt.cli.statement import given_options, state
    from fleetopt.errors import InputError

    stated = state(problem, given_options(ctx), output)
    from fleetopt import study

    try:
        with progress() as show:
            plan = study.solve(
                stated.problem, beside=stated.beside, command=command_line(), progress=show
            )
    except InputError as error:
        raise stated.in_the_users_words(error) from None
    finish(ctx, plan, form, output)


def command_line() -> str:
    """The command of this process, as it can be typed again."""
    import shlex
    import sys

    return shlex.join(["fleetopt", *sys.argv[1:]])
