"""`fleetopt optimize`: what to compress at a fixed split, verified, beside the published answer."""

from __future__ import annotations

import click

from fleetopt.cli import two_pools as options
from fleetopt.cli.fleet_options import fleet_option, output


@click.command(name="optimize")
@options.cdf
@options.two_pools
@fleet_option(
    "--b-short",
    key="thresholds",
    many=True,
    metavar="TOKENS",
    default="4096",
    show_default=True,
    help="Split; at the largest context there is one pool.",
)
@fleet_option(
    "--gamma-max",
    key="gammas",
    metavar="FACTOR",
    default="2.0",
    show_default=True,
    help="Sweep factors of compression from 1 to this, by 0.1.",
)
@fleet_option(
    "--verify-top",
    key="verify_top",
    metavar="N",
    default="3",
    show_default=True,
    help="Simulate the N best; 0 simulates nothing.",
)
@options.simulation
@options.plot
@output
@click.pass_context
def command(
    ctx: click.Context, /, verify_top: str, n_sim_req: str | None, plot: str | None, form: str,
    output: str | None, **_: object,
) -> None:  # fmt: skip
    """Size two pools with given GPUs at a fixed split, and verify the best by simulation.

    Beside it stand one pool for all requests, and what the published method says of both.
    Exit code 3 means that the simulator accepts none of those that it was shown.
    """
    top, faults = options.count_of("--verify-top", verify_top)
    left_out = ["verify_top", *(["verification.requests"] if n_sim_req == "0" else [])]
    top = 0 if n_sim_req == "0" else top
    stated = options.state_two_pools(ctx, output, plot, left_out, faults, tables_only=top == 0)
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.errors import InputError
    from fleetopt.questions.two_pools import optimize
    from fleetopt.questions.two_pools.sweep import factors_to
    from fleetopt.report import optimization as report

    with progress() as show:
        try:
            found = optimize(
                stated.asked,
                stated.b_short or stated.asked.long_max_ctx,
                factors_to(stated.factor),
                top,
                stated.verification,
                show,
            )
        except InputError as error:
            raise options.in_the_users_words(error, stated.asked) from None
    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_two_pools import optimization_figure

        write_figure(plot, optimization_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.optimization_report(found, width),
        data=lambda: report.optimization_to_dict(found),
        rows=lambda: report.optimization_rows(found),
    )
    if found.own.simulated and not found.own.found.meets:
        from fleetopt.cli.answer import NOT_VERIFIED

        ctx.exit(NOT_VERIFIED)
