"""`fleetopt table`: feasibility-table rows of one pool."""

from __future__ import annotations

import click

from fleetopt.cli import options


@click.command(name="table")
@options.cdf
@options.problem_option(
    "--gpu", key="gpus", kind="single", metavar="NAME", required=True, help="GPU type of the pool."
)
@click.option(
    "--lo",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="TOKENS",
    help="The pool serves total lengths above this.",
)
@click.option(
    "--hi",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="The pool serves total lengths up to this; the CDF's last point if absent.",
)
@options.problem_option(
    "--lam", key="arrival_rate", metavar="RATE", help="Requests per second that the pool receives."
)
@click.option(
    "--replicas",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print this row only; all that matter if absent.",
)
@options.slo
@options.tables
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, lo: int, hi: int | None, replicas: int | None,
    form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Print feasibility-table rows of one pool.

    The pool serves total lengths in (LO, HI]. Without --replicas the rows go from the
    least stable number of replicas to a few beyond the least admissible one.
    """
    from fleetopt.cli.output import write_answer
    from fleetopt.cli.statement import given_options, state
    from fleetopt.errors import InputError
    from fleetopt.report.feasibility import rows_report, rows_to_dict, table_rows

    stated = state(None, given_options(ctx), output)
    hi = hi or stated.inputs.max_context
    if lo >= hi:
        raise InputError.single("--lo", f"must be below --hi, which is {hi}, got {lo}")
    from fleetopt import study

    try:
        rows = study.tabulate(stated.problem, lo=lo, hi=hi, replicas=replicas)
    except InputError as error:
        raise stated.in_the_users_words(error) from None
    write_answer(
        form,
        output,
        table=lambda width: rows_report(rows, stated.problem, lo, hi, width),
        data=lambda: rows_to_dict(rows, stated.problem, lo, hi),
        rows=lambda: table_rows(rows),
    )
