"""`fleetopt grid-flex`: how much power a fleet can shed, and what becomes of its latencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleetopt.cli import fleet_options, options
from fleetopt.cli.fleet_options import fleet_option
from fleetopt.cli.spaced import NumbersOption, SpacedCommand

if TYPE_CHECKING:
    from fleetopt.cli.statement import Statement
    from fleetopt.problem import FleetProblem

_RATE = 200.0
_GPU = "h100"
_OWN = {
    "flex_pcts": "--flex-pcts", "n_gpus": "--n-gpus",
    "event_minutes": "--event-minutes", "most_deferred": "--defer-most",
    "usd_per_deferred": "--defer-usd", "usd_per_switch": "--switch-usd",
}  # fmt: skip


@click.command(name="grid-flex", cls=SpacedCommand)
@options.problem_option(
    "--cdf",
    key="cdf",
    kind="text",
    metavar="FILE",
    required=True,
    help="Length CDF or workload: a file or a bundled name.",
)
@fleet_option("--lam", key="arrival_rate", metavar="RATE", shown="200", help="Requests per second.")
@click.option(
    "--n-gpus", type=click.IntRange(min=1), required=True, metavar="N", help="GPUs of the fleet."
)
@fleet_option(
    "--gpu", key="gpus", kind="single", metavar="NAME", shown=_GPU, help="Profile of its replicas."
)
@options.slo
@fleet_option(
    "--max-ctx",
    key="max_context",
    metavar="TOKENS",
    shown="8192",
    help="Context window; longer requests are cut to it.",
)
@click.option(
    "--flex-pcts",
    cls=NumbersOption,
    metavar="PERCENTS",
    help="Depths in percent of the nominal draw.  [default: 0 5 10 15 20 25 30 40 50]",
)
@options.tables
@click.option(
    "--verify-des",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Also simulate each depth in its steady state, with N measured requests of a "
    "replication or as many as its longest requests need; 0 does not.",
)
@click.option(
    "--event-minutes",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="MINUTES",
    help="Also simulate each cap from the loaded fleet through an event of that length and the "
    "recovery after it.",
)
@click.option(
    "--defer-most",
    type=click.FloatRange(0, 99),
    default=20.0,
    show_default=True,
    metavar="PERCENT",
    help="Largest share of the requests that may be put off, in whole percent.",
)
@click.option(
    "--defer-usd",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="USD",
    help="What a request costs that is put off.",
)
@click.option(
    "--switch-usd",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="USD",
    help="What it costs to switch a replica off and on again.",
)
@fleet_options.repeated(5)
@click.option("--plot", metavar="FILE", help="Draw the depths into a .png or .svg file.")
@fleet_options.output
@click.pass_context
def command(
    ctx: click.Context, /, n_gpus: int, flex_pcts: str | None, verify_des: int,
    event_minutes: float | None, defer_most: float, defer_usd: float, switch_usd: float,
    replications: int, seed: int, plot: str | None, form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Shed power by capping batches, switching replicas off and deferring requests.

    A depth is in percent: of the nominal draw, counted at the cap as published, or of what the
    fleet really draws. The cheapest mix of the three that keeps the SLO is found for each.
    """
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.cli.plotting import plot_faults
    from fleetopt.cli.spaced import numbers
    from fleetopt.cli.statement import given_options, named, state
    from fleetopt.errors import InputError

    depths, faults = numbers(flex_pcts, "--flex-pcts")
    faults += plot_faults(plot)
    stated = state(None, given_options(ctx), output, others=faults)
    from fleetopt.questions.energy.grid import grid_flex
    from fleetopt.questions.energy.levers import Terms
    from fleetopt.questions.energy.runs import Runs
    from fleetopt.report import grid as report

    runs = Runs(verify_des, replications, seed) if verify_des else None
    with progress() as show:
        try:
            found = grid_flex(
                _problem(stated), n_gpus, depths, stated.beside, runs=runs,
                event_minutes=event_minutes, event_runs=Runs(None, replications, seed),
                terms=Terms(defer_most / 100.0, defer_usd, switch_usd), progress=show,
            )  # fmt: skip
        except InputError as error:
            faults = named(error.faults, stated.place, {**_OWN, **stated.origins})
            raise InputError(faults) from None
    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_energy import grid_figure

        write_figure(plot, grid_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.grid_report(found, width),
        data=lambda: report.grid_to_dict(found),
        rows=lambda: report.grid_rows(found),
    )


def _problem(stated: Statement) -> FleetProblem:
    """The problem with the published defaults where nothing else is stated."""
    from fleetopt.catalog import read_lengths
    from fleetopt.problem import Workload

    problem, changed = stated.problem, dict[str, object]()
    if "gpus" not in problem.model_fields_set:
        changed["gpus"] = (_GPU,)
    if "arrival_rate" not in problem.model_fields_set:
        lengths = problem.cdf
        if isinstance(lengths, str):
            lengths = read_lengths(lengths, stated.beside)[0]
        if not (isinstance(lengths, Workload) and lengths.arrivals is not None):
            changed["arrival_rate"] = _RATE
    return problem.model_copy(update=changed)
