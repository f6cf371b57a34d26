"""`fleetopt advise`: the planner's usual questions from solves, and rules of thumb tested."""

from __future__ import annotations

import click

from fleetopt.cli import options


@click.command(name="advise")
@click.argument("problem", required=False)
@options.workload
@options.slo
@options.fleet
@options.spares
@options.problem_option(
    "--admission", key="admission", kind="text", metavar="reserved|paged",
    help="How the engine admits sequences.",
)  # fmt: skip
@options.problem_option(
    "--verify/--no-verify",
    key="verification.enabled",
    default=None,
    help="Simulate the plan and the fleets beside it.",
)
@options.simulation
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, problem: str | None, form: str, output: str | None, **_: object
) -> None:
    """Answer a planner's usual questions, and test published rules of thumb.

    Split? Where? Which GPU? Mix? Long contexts? Prefill and decode apart? Simulate? Margin?
    Each answer comes from fleets that are solved and simulated for this workload. PROBLEM is a
    TOML file or the name of a bundled model; options override its keys. --b-short is where the
    published rules split, 4096 if absent; the fleets here split anywhere.
    Exit code 1 means that no fleet meets the problem.
    """
    from fleetopt.cli.answer import write_refusal
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.cli.statement import given_options, state
    from fleetopt.errors import InfeasibleError, InputError, StoppedError

    stated = state(problem, given_options(ctx), output)
    from fleetopt.questions.advice import advise
    from fleetopt.report import advice as report

    try:
        with progress() as show:
            advice = advise(stated.problem, beside=stated.beside, progress=show)
    except InputError as error:
        raise stated.in_the_users_words(error) from None
    except (InfeasibleError, StoppedError) as error:
        write_refusal(error, form, output)
        raise
    write_answer(
        form,
        output,
        table=lambda width: report.advice_report(advice, width),
        data=lambda: report.advice_to_dict(advice),
        rows=lambda: report.advice_rows(advice),
    )
