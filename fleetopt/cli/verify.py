"""`fleetopt verify`: simulate a saved plan afresh."""

from __future__ import annotations

import click

from fleetopt.cli import options


@click.command(name="verify")
@click.argument("plan", metavar="PLAN.json")
@click.option(
    "--trace",
    metavar="FILE",
    help="Verify on this recorded traffic; if absent, on the "
    "trace that the plan was designed for, or at Poisson arrivals.",
)
@click.option(
    "--columns",
    "mapping",
    metavar="FIELD=NAME,...",
    help="The trace's own names, such as prompt=tokens_in.",
)
@click.option("--skip-bad-lines", is_flag=True, help="Leave bad lines of the trace out.")
@options.simulation
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, plan: str, trace: str | None, mapping: str | None,
    skip_bad_lines: bool, form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Simulate a saved plan afresh.

    PLAN.json is what `fleetopt solve --format json` wrote. Exit code 3 means that
    simulation refuses the plan.
    """
    from dataclasses import replace

    from fleetopt.cli.answer import finish
    from fleetopt.cli.output import progress
    from fleetopt.cli.plans import read_plans
    from fleetopt.cli.recordings import columns_of, read_all
    from fleetopt.cli.statement import given_options, restate

    (saved,) = read_plans(plan)
    problem = restate(saved.problem, given_options(ctx), output)
    traffic = None
    if trace is not None:
        traffic = read_all((trace,), None, columns_of(mapping), skip_bad_lines)
    from fleetopt import study

    with progress() as show:
        verified = study.verify(
            replace(saved, problem=problem), problem.verification, trace=traffic, progress=show
        )
    finish(ctx, verified, form, output)
