"""`fleetopt tok-per-watt`: which GPU, and which split, makes most tokens of a joule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from fleetopt.cli import fleet_options, options
from fleetopt.cli.fleet_options import fleet_option
from fleetopt.cli.spaced import NumbersOption, SpacedCommand

if TYPE_CHECKING:
    from fleetopt.cli.statement import Statement
    from fleetopt.errors import Fault

_GPUS = ("h100", "a100", "a10g")


@click.command(name="tok-per-watt", cls=SpacedCommand)
@options.problem_option(
    "--cdf",
    key="cdf",
    kind="text",
    metavar="FILE",
    required=True,
    help="Length CDF or workload: a file or a bundled name.",
)
@options.problem_option("--lam", key="arrival_rate", metavar="RATE", help="Requests per second.")
@options.slo
@fleet_option(
    "--gpus",
    key="gpus",
    kind="text",
    many=True,
    metavar="NAMES",
    shown="h100 a100 a10g",
    help="GPU types to compare.",
)
@click.option(
    "--n-gpus",
    cls=NumbersOption,
    metavar="COUNTS",
    help="GPUs of each type; the fewest that keep the SLO if absent.",
)
@fleet_option(
    "--max-ctx",
    key="max_context",
    metavar="TOKENS",
    shown="8192 where that cuts next to nothing, else the longest length",
    help="Cut longer requests to this context window.",
)
@click.option("--rho-sweep", is_flag=True, help="Add utilizations of 20, 40, 60 and 80 %.")
@fleet_option(
    "--b-short",
    key="thresholds",
    many=True,
    metavar="TOKENS",
    help="Compare two pools split at this length with one pool.",
)
@click.option("--gpu-short", metavar="NAME", help="Profile of the pool up to --b-short.")
@click.option("--gpu-long", metavar="NAME", help="Profile of the pool above it.")
@options.engines
@options.tables
@options.prices
@click.option(
    "--simulate", is_flag=True, help="With --b-short: simulate the fleets on the same arrivals."
)
@click.option(
    "--n-req",
    type=click.IntRange(min=100),
    metavar="N",
    help="Measured requests of a replication; by the longest residence if absent.",
)
@fleet_options.repeated(8)
@click.option("--plot", metavar="FILE", help="Draw the figures into a .png or .svg file.")
@fleet_options.output
@click.pass_context
def command(
    ctx: click.Context, /, n_gpus: str | None, rho_sweep: bool, gpu_short: str | None,
    gpu_long: str | None, simulate: bool, n_req: int | None, replications: int, seed: int,
    plot: str | None, form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Compare GPU types, or a split with one pool, by output tokens per watt.

    With --model all of them serve one language model, in each of its engine configurations.

    Power is drawn at the occupancy that the fleets really have; the published figures stand
    beside it, and alone with --method published.
    """
    from fleetopt.cli.spaced import numbers
    from fleetopt.cli.statement import given_options, state
    from fleetopt.errors import Fault, InputError

    given = given_options(ctx)
    split = any(option.key == "thresholds" for option in given)
    counts, faults = numbers(n_gpus, "--n-gpus")
    faults += _faults(split, gpu_short, gpu_long, simulate, rho_sweep, counts, plot)
    if split and any(option.key == "model" for option in given):
        faults.append(Fault("--model", "does not go with --b-short"))
    stated = state(None, given, output, others=faults)
    try:
        if split and gpu_short and gpu_long:
            runs = (n_req, replications, seed) if simulate else None
            _answer_split(stated, gpu_short, gpu_long, runs, plot, form, output)
        else:
            _answer_gpus(stated, counts, rho_sweep, plot, form, output)
    except InputError as error:
        raise stated.in_the_users_words(error) from None


def _answer_gpus(
    stated: Statement, counts: list[float] | None, rho_sweep: bool, plot: str | None,
    form: str, output: str | None,
) -> None:  # fmt: skip
    from fleetopt.cli.output import write_answer
    from fleetopt.questions.energy.tokens_per_watt import SWEEP, tokens_per_watt
    from fleetopt.report import energy as report

    problem = stated.problem
    if "gpus" not in problem.model_fields_set:
        problem = problem.model_copy(update={"gpus": _GPUS})
    gpus = None if counts is None else [int(count) for count in counts]
    found = tokens_per_watt(
        problem, stated.beside, gpus=gpus, sweep=SWEEP if rho_sweep or plot else ()
    )
    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_energy import tokens_figure

        write_figure(plot, tokens_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.energy_report(found, width),
        data=lambda: report.energy_to_dict(found),
        rows=lambda: report.energy_rows(found),
    )


def _answer_split(
    stated: Statement, gpu_short: str, gpu_long: str, runs: tuple[int | None, int, int] | None,
    plot: str | None, form: str, output: str | None,
) -> None:  # fmt: skip
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.questions.energy.runs import Runs
    from fleetopt.questions.energy.split import split_tokens_per_watt
    from fleetopt.report import energy_split as report

    (b_short,) = stated.problem.thresholds or (0,)
    with progress() as show:
        found = split_tokens_per_watt(
            stated.problem, b_short, gpu_short, gpu_long, stated.beside,
            runs=None if runs is None else Runs(*runs), progress=show,
        )  # fmt: skip
    write_answer(
        form,
        output,
        table=lambda width: report.split_report(found, width),
        data=lambda: report.split_to_dict(found),
        rows=lambda: report.split_rows(found),
    )


def _faults(
    split: bool, gpu_short: str | None, gpu_long: str | None, simulate: bool, rho_sweep: bool,
    counts: list[float] | None, plot: str | None,
) -> list[Fault]:  # fmt: skip
    """What is wrong between the command's own options."""
    from fleetopt.cli.plotting import plot_faults
    from fleetopt.errors import Fault

    faults = list(_gpu_faults({"--gpu-short": gpu_short, "--gpu-long": gpu_long}))
    pools = {"--gpu-short": gpu_short, "--gpu-long": gpu_long}
    if split:
        hint = "name the profiles of both pools"
        faults += [Fault(o, "--b-short needs it", hint) for o, name in pools.items() if not name]
        beside = {"--rho-sweep": rho_sweep, "--n-gpus": counts is not None, "--plot": bool(plot)}
    else:
        beside = {**{option: bool(name) for option, name in pools.items()}, "--simulate": simulate}
    text = "does not go with --b-short" if split else "needs --b-short"
    faults += [Fault(option, text) for option, is_given in beside.items() if is_given]
    faults += [
        Fault("--n-gpus", f"expected whole numbers, got {count:g}")
        for count in counts or ()
        if count != int(count)
    ]
    return [*faults, *plot_faults(plot)]


def _gpu_faults(named: dict[str, str | None]) -> Iterator[Fault]:
    from fleetopt.catalog import read_profiles
    from fleetopt.errors import Fault, near

    known = read_profiles()
    for option, name in named.items():
        if name is not None and name not in known:
            yield Fault(option, f"unknown GPU {name!r}", near(name, known))
