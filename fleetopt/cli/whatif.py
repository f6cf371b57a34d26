"""`fleetopt whatif`: when GPUs have to be added, and which GPU and which mix is cheapest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fleetopt.cli.fleet_options import fleet_option, output
from fleetopt.cli.options import ProblemOption, together
from fleetopt.cli.spaced import SpacedCommand, spaced_option

if TYPE_CHECKING:
    from fleetopt.errors import Fault
    from fleetopt.problem import WhatIf

Answer = TypeVar("Answer")

_question = together(
    fleet_option("--cdf", key="cdf", kind="text", metavar="FILE",
                 help="Length CDF or workload: a file or a bundled name."),
    fleet_option("--lam", key="lam", metavar="RATE",
                 help="Requests per second now; growth starts there, else at the least of "
                      "--lam-range."),
    spaced_option("--lam-range", key="lam_range", metavar="RATE ...",
                  shown="50 100 200 500 1000, or --lam alone",
                  help="Arrival rates to size for, separated by blanks or commas."),
    fleet_option("--slo", key="slo", metavar="MS", shown="500", help="Bound on P99 TTFT, in ms."),
    fleet_option("--b-short", key="b_short", metavar="TOKENS", shown="4096",
                 help="Total lengths up to this go to the short pool."),
    fleet_option("--long-max-ctx", key="long_max_ctx", metavar="TOKENS", shown="65536",
                 help="Largest context; longer requests count as that long."),
    fleet_option("--gpu-short", key="gpu_short", kind="text", metavar="NAME", shown="a100",
                 help="Profile of the short pool."),
    fleet_option("--gpu-long", key="gpu_long", kind="text", metavar="NAME", shown="a100",
                 help="Profile of the long pool."),
    spaced_option("--gpu-compare", key="gpu_compare", kind="text", metavar="NAME ...",
                  help="Compare these GPUs instead: one pool, two pools, and every pair."),
    fleet_option("--growth", key="growth", kind="text", metavar="SHARE",
                 help="Growth of the arrival rate, such as 20% a year or 5%/month; gives dates."),
    fleet_option("--start", key="start", kind="text", metavar="DAY",
                 help="Day from which it grows, such as 2026-01-01."),
    fleet_option("--method", key="method", kind="text", metavar="fleetopt|published",
                 shown="fleetopt", help="How latencies are predicted."),
)  # fmt: skip


@click.command(name="whatif", cls=SpacedCommand)
@_question
@click.option("--simulate", is_flag=True,
              help="Simulate pools just below and above their thresholds, or the fleets of "
                   "--gpu-compare.")  # fmt: skip
@click.option("--solve", is_flag=True,
              help="With --gpu-compare: also the cheapest fleet, split anywhere.")  # fmt: skip
@click.option("--plot", metavar="FILE", help="Draw the steps or the costs: .png or .svg.")
@output
@click.pass_context
def command(
    ctx: click.Context, /, simulate: bool, solve: bool, plot: str | None, form: str,
    output: str | None, **_: object,
) -> None:  # fmt: skip
    """Say when GPUs have to be added, or which GPU and which mix is cheapest.

    Two pools with given GPUs are sized for each arrival rate, with the rate before which a
    GPU has to be added, and all steps in between. Exit code 3 means that simulation
    contradicts a threshold, or accepts none of the compared fleets.
    """
    stated = _stated(ctx, solve, plot, output)
    if stated.gpu_compare:
        _compare(ctx, stated, simulate, solve, plot, form, output)
    else:
        _grow(ctx, stated, simulate, plot, form, output)


def _grow(
    ctx: click.Context, stated: WhatIf, simulate: bool, plot: str | None, form: str,
    output: str | None,
) -> None:  # fmt: skip
    from fleetopt.cli.answer import NOT_VERIFIED
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.questions.whatif import when_to_add
    from fleetopt.report import growth as report

    found = _asked(ctx, lambda: when_to_add(stated))
    checked = None
    if simulate:
        from fleetopt.questions.whatif.checking import check_steps

        with progress() as say:
            checked = check_steps(found, say)
    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_whatif import growth_figure

        write_figure(plot, growth_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.growth_report(found, checked, width),
        data=lambda: report.growth_to_dict(found, checked),
        rows=lambda: report.growth_rows(found),
    )
    if checked is not None and not all(size.holds for size in checked):
        ctx.exit(NOT_VERIFIED)


def _compare(
    ctx: click.Context, stated: WhatIf, simulate: bool, solve: bool, plot: str | None, form: str,
    output: str | None,
) -> None:  # fmt: skip
    from fleetopt.cli.answer import NOT_VERIFIED
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.questions.whatif.gpus import compare_gpus
    from fleetopt.report import gpus as report

    with progress() as say:
        found = _asked(
            ctx, lambda: compare_gpus(stated, simulate=simulate, solve=solve, progress=say)
        )
    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_whatif import gpus_figure

        write_figure(plot, gpus_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.gpus_report(found, width),
        data=lambda: report.gpus_to_dict(found),
        rows=lambda: report.gpu_rows(found),
    )
    if simulate and not any(fleet.meets for fleet in found.fleets):
        ctx.exit(NOT_VERIFIED)


def _stated(ctx: click.Context, solve: bool, plot: str | None, output: str | None) -> WhatIf:
    """The question. Raises InputError with every fault of the options and the files."""
    from fleetopt.cli.plotting import plot_faults
    from fleetopt.cli.statement import given_options, named, output_faults, overlaid
    from fleetopt.errors import Fault, InputError
    from fleetopt.problem import WhatIf, validate

    keys, _ = overlaid({}, given_options(ctx))
    faults: list[Fault] = []
    try:
        stated = validate(WhatIf, keys, "")
    except InputError as error:
        faults += error.faults
    faults = named([*faults, *_faults_of_names(keys)], "", _origins(ctx))
    if solve and "gpu_compare" not in keys:
        faults.append(Fault("--solve", "is for --gpu-compare", "`fleetopt solve` finds fleets"))
    faults += [*output_faults(output), *plot_faults(plot)]
    if faults:
        raise InputError(faults)
    return stated


def _faults_of_names(keys: Mapping[str, Any]) -> Sequence[Fault]:
    """Faults of the file and the profiles, found even where other keys are wrong."""
    from fleetopt.errors import InputError
    from fleetopt.problem import WhatIf, validate
    from fleetopt.questions.whatif.asked import read

    names = ("cdf", "gpu_short", "gpu_long", "gpu_compare")
    try:
        read(validate(WhatIf, {key: keys[key] for key in names if key in keys}, ""))
    except InputError as error:
        return error.faults
    return []


def _asked(ctx: click.Context, ask: Callable[[], Answer]) -> Answer:
    """An answer, with faults under the options that they come from."""
    from fleetopt.cli.statement import named
    from fleetopt.errors import InputError

    try:
        return ask()
    except InputError as error:
        raise InputError(named(error.faults, "", _origins(ctx))) from None


def _origins(ctx: click.Context) -> dict[str, str]:
    """The option behind each key."""
    return {o.key: o.spelling for o in ctx.command.params if isinstance(o, ProblemOption)}
