"""`fleetopt frontier`: every fleet that no other beats in both of two objectives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from fleetopt.cli import options

if TYPE_CHECKING:
    from fleetopt.errors import Fault
    from fleetopt.questions.frontier import Frontier

_SHOWN = ("dominated", "refused")


@click.command(name="frontier")
@click.argument("problem", required=False)
@click.option("--objectives", default="cost,ttft", show_default=True, metavar="A,B",
              help="Two different of cost, ttft, tpot, gpus, power, mean-power, energy "
                   "and carbon.")  # fmt: skip
@options.workload
@options.slo
@options.scope
@options.fleet
@options.phases
@options.engines
@options.side
@options.tables
@click.option("--verify", is_flag=True, help="Simulate every point; those refused are replaced.")
@options.simulation
@options.solver
@click.option("--show", default="", metavar="KINDS",
              help="Also list dominated or refused fleets, or dominated,refused.")  # fmt: skip
@click.option("--plot", metavar="FILE", help="Draw the frontier into a .png or .svg file.")
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, problem: str | None, objectives: str, verify: bool, show: str,
    plot: str | None, form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Find every fleet that no other beats in both of two objectives.

    PROBLEM is a TOML file or the name of a bundled model; options override its keys. An
    --output that ends in .png or .svg is a figure. Latencies are the worst pool's.
    Exit code 1 means that no fleet meets the SLO, 3 that simulation did not accept a point.
    """
    from fleetopt.cli.answer import NOT_VERIFIED
    from fleetopt.cli.output import progress
    from fleetopt.cli.statement import given_options, state
    from fleetopt.errors import InputError

    if plot is None and output is not None and output.lower().endswith((".png", ".svg")):
        plot, output = output, None
    faults = _faults(objectives, show, plot)
    try:
        stated = state(problem, given_options(ctx), output)
    except InputError as error:
        raise InputError([*faults, *error.faults]) from None
    if faults:
        raise InputError(faults)
    from fleetopt.questions.frontier import frontier

    shown = _parts(show)
    with progress() as say:
        try:
            found = frontier(
                stated.problem, _parts(objectives), verify=verify,
                dominated="dominated" in shown, beside=stated.beside, progress=say,
            )  # fmt: skip
        except InputError as error:
            raise stated.in_the_users_words(error) from None
    _write(found, shown, plot, form, output)
    if verify and not found.is_accepted:
        ctx.exit(NOT_VERIFIED)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _faults(objectives: str, show: str, plot: str | None) -> list[Fault]:
    """What is wrong with the command's own options."""
    from fleetopt.cli.plotting import plot_faults
    from fleetopt.errors import Fault, InputError, near
    from fleetopt.questions.frontier import checked_objectives

    faults = [
        Fault("--show", f"unknown kind {part!r}", near(part, _SHOWN))
        for part in _parts(show)
        if part not in _SHOWN
    ]
    try:
        checked_objectives(_parts(objectives))
    except InputError as error:
        faults += [replace(fault, place="--objectives") for fault in error.faults]
    return [*faults, *plot_faults(plot)]


def _write(
    found: Frontier, shown: list[str], plot: str | None, form: str, output: str | None
) -> None:
    """The figure first, then the answer."""
    from fleetopt.cli.output import write_answer
    from fleetopt.report import frontier as report

    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures import frontier_figure

        write_figure(plot, frontier_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.frontier_report(found, width, shown),
        data=lambda: report.frontier_to_dict(found),
        rows=lambda: report.frontier_rows(found, shown),
    )
