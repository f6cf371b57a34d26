"""`fleetopt verify`: simulate a saved plan afresh."""

from __future__ import annotations

import click

from fleetopt.cli import options


@click.command(name="verify")
@click.argument("plan", metavar="PLAN.json")
@options.simulation
@options.output
@click.pass_context
def command(ctx: click.Context, /, plan: str, form: str, output: str | None, **_: object) -> None:
    """Simulate a saved plan afresh.

    PLAN.json is what `fleetopt solve --format json` wrote. Exit code 3 means that
    simulation refuses the plan.
    """
    from dataclasses import replace

    from fleetopt.cli.answer import finish
    from fleetopt.cli.output import progress
    from fleetopt.cli.plans import read_plans
    from fleetopt.cli.statement import given_options, restate

    (saved,) = read_plans(plan)
    problem = restate(saved.problem, given_options(ctx), output)
    from fleetopt import study

    with progress() as show:
        verified = study.verify(
            replace(saved, problem=problem), problem.verification, progress=show
        )
    finish(ctx, verified, form, output)
