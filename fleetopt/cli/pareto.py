"""`fleetopt pareto`: every split between two pools with given GPUs, and which to choose."""

from __future__ import annotations

import click

from fleetopt.cli import two_pools as options
from fleetopt.cli.fleet_options import fleet_option, output


@click.command(name="pareto")
@options.cdf
@options.two_pools
@fleet_option(
    "--b-short",
    key="thresholds",
    many=True,
    metavar="TOKENS",
    help="The split that you have now, to be compared with the others.",
)
@fleet_option(
    "--gamma",
    key="gammas",
    metavar="FACTOR",
    shown="1",
    help="At each split, compress requests of up to FACTOR times its length.",
)
@click.option(
    "--simulate",
    is_flag=True,
    help="Simulate every split, with the pools that the simulator accepts.",
)
@options.simulation
@options.plot
@output
@click.pass_context
def command(
    ctx: click.Context, /, simulate: bool, plot: str | None, form: str, output: str | None,
    **_: object,
) -> None:  # fmt: skip
    """Find where to split requests between two pools with given GPUs.

    Every point of the distribution is a split; costs are compared with those of one pool on
    the GPU of the long one. The answer is the cheapest that keeps the SLO.
    """
    stated = options.state_two_pools(ctx, output, plot, tables_only=not simulate)
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.errors import InputError
    from fleetopt.questions.two_pools import simulate_thresholds, thresholds
    from fleetopt.report import thresholds as report

    try:
        found = thresholds(stated.asked, stated.factor, stated.b_short)
    except InputError as error:
        raise options.in_the_users_words(error, stated.asked) from None
    if simulate:
        with progress() as show:
            found = simulate_thresholds(found, stated.verification, show)
    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_two_pools import thresholds_figure

        write_figure(plot, thresholds_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.thresholds_report(found, width),
        data=lambda: report.thresholds_to_dict(found),
        rows=lambda: report.threshold_rows(found),
    )
