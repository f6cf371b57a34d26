"""`fleetopt diff`: what two saved plans differ in, and why."""

from __future__ import annotations

import click

from fleetopt.cli import options


@click.command(name="diff")
@click.argument("first", metavar="A.json")
@click.argument("second", metavar="B.json")
@options.output
def command(first: str, second: str, form: str, output: str | None) -> None:
    """Say what two saved plans differ in, and why.

    The problem of A is solved again with one difference at a time, until it is that of B.
    """
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.cli.plans import read_plans
    from fleetopt.report.export import check_writable

    plan, other = read_plans(first, second)
    if output is not None:
        check_writable(output)
    from fleetopt.questions.difference import compare
    from fleetopt.report import difference as report

    with progress() as show:
        found = compare(plan, other, progress=show)
    write_answer(
        form,
        output,
        table=lambda width: report.difference_report(found, width),
        data=lambda: report.difference_to_dict(found),
        rows=lambda: report.difference_rows(found),
    )
