"""`fleetopt disagg`: prefill and decode on replicas of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from fleetopt.cli.fleet_options import fleet_option, output
from fleetopt.cli.options import together

if TYPE_CHECKING:
    from fleetopt.errors import Fault
    from fleetopt.questions.disaggregation import Question

_question = together(
    fleet_option("--cdf", key="cdf", kind="text", metavar="FILE", required=True,
                 help="Length CDF or workload: a file or a bundled name."),
    fleet_option("--lam", key="lam", metavar="RATE", shown="200", help="Requests per second."),
    fleet_option("--slo-ttft", key="slo_ttft_ms", metavar="MS", shown="500",
                 help="Bound on TTFT, in ms."),
    fleet_option("--slo-tpot", key="slo_tpot_ms", metavar="MS", shown="100",
                 help="Bound on TPOT, in ms."),
    fleet_option("--gpu-prefill", key="gpu_prefill", kind="text", metavar="NAME", shown="h100",
                 help="Profile of the prefill replicas."),
    fleet_option("--gpu-decode", key="gpu_decode", kind="text", metavar="NAME", shown="a100",
                 help="Profile of the decode replicas."),
    fleet_option("--model", key="model", kind="text", metavar="NAME",
                 help="A language model: a name of the catalogue, or a config.json of Hugging "
                 "Face; both GPUs are then GPUs of the catalogue."),
    fleet_option("--max-ctx", key="max_ctx", metavar="TOKENS", shown="8192",
                 help="Context window of every replica."),
    fleet_option("--mean-isl", key="mean_isl", metavar="TOKENS", shown="0, from the lengths",
                 help="Mean prompt of the published rule."),
    fleet_option("--mean-osl", key="mean_osl", metavar="TOKENS", shown="0, from the lengths",
                 help="Mean output of the published rule."),
    fleet_option("--max-prefill", key="max_prefill", metavar="N", shown="32",
                 help="Most prefill replicas of the published rule."),
    fleet_option("--max-decode", key="max_decode", metavar="N", shown="64",
                 help="Most decode replicas of the published rule."),
    fleet_option("--method", key="method", kind="text", metavar="program|published",
                 shown="program", help="The program with its tables and the simulator, or the "
                 "published rule of mean rates with what it leaves out."),
    fleet_option("--kv-transfer", key="kv_transfer", kind="text", metavar="link|factor:X",
                 help="What KV adds to TTFT: its time on the link, or a factor of the published "
                 "rule; factor:1.8 with that rule, else link."),
    fleet_option("--link", key="links", multiple=True,
                 callback=lambda _ctx, _option, given: list(given) or None,
                 metavar="NAME[:PREFILL:DECODE]", help="A link that takes KV from prefill to "
                 "decode, by its name or in GB/s, such as ndr400 or 50:h100:a100; repeatable. "
                 "The slower network of the two GPUs if absent."),
    fleet_option("--max-pools", key="max_pools", metavar="N", shown="3",
                 help="Most pools of the fleets that the program splits by length."),
    fleet_option("--verify/--no-verify", key="verification.enabled", default=None,
                 help="Simulate the program's fleets until each is accepted."),
    fleet_option("--replications", key="verification.replications", metavar="N", shown="4",
                 help="Replications of the first stage."),
    fleet_option("--seed", key="verification.seed", metavar="N", shown="1",
                 help="Seed of the simulator."),
)  # fmt: skip


@click.command(name="disagg")
@_question
@click.option(
    "--ratio-sweep",
    is_flag=True,
    help="Also show the ratios of prefill to decode replicas around the best one.",
)
@click.option("--plot", metavar="FILE", help="Draw when phases apart are worth it: .png or .svg.")
@output
@click.pass_context
def command(
    ctx: click.Context, /, plot: str | None, ratio_sweep: bool, form: str, output: str | None,
    **_: object,
) -> None:  # fmt: skip
    """Compare prefill and decode apart with aggregated pools.

    The program designs the cheapest fleet of each kind, and simulation accepts it. The published
    rule counts mean rates and leaves the prompt's KV out of decode. Exit code 1 means that the
    pair that was asked for has no fleet that keeps the SLO.
    """
    from fleetopt.errors import InfeasibleError

    question = _asked(ctx, plot, output)
    answer = _by_rule if question.stated.method == "published" else _by_program
    try:
        answer(question, form, output, ratio_sweep)
    except InfeasibleError as error:
        from fleetopt.cli.answer import write_refusal

        write_refusal(error, form, output)
        raise
    if plot is not None:
        _draw(question, plot)


def _by_program(question: Question, form: str, output: str | None, ratio_sweep: bool) -> None:
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.questions.disaggregation.designed import designed
    from fleetopt.questions.disaggregation.ratios import ratios_around
    from fleetopt.report import disaggregation_program as report

    with progress() as show:
        found = designed(question, progress=show)
    ratios = ratios_around(question, found.asked) if ratio_sweep else ()
    write_answer(
        form,
        output,
        table=lambda width: report.program_report(found, ratios, width),
        data=lambda: report.program_to_dict(found, ratios),
        rows=lambda: report.program_rows(found),
    )


def _by_rule(question: Question, form: str, output: str | None, ratio_sweep: bool) -> None:
    from fleetopt.cli.output import write_answer
    from fleetopt.errors import InputError
    from fleetopt.questions.disaggregation import answer
    from fleetopt.report import disaggregation as report

    if ratio_sweep:
        raise InputError.single("--ratio-sweep", "the published rule has no percentiles to show",
                                "leave it or --method out")  # fmt: skip
    found = answer(question)
    write_answer(
        form,
        output,
        table=lambda width: report.disaggregation_report(found, width),
        data=lambda: report.disaggregation_to_dict(found),
        rows=lambda: report.disaggregation_rows(found),
    )


def _asked(ctx: click.Context, plot: str | None, output: str | None) -> Question:
    """The question that the options state. Raises InputError with every fault."""
    from fleetopt.cli.options import ProblemOption
    from fleetopt.cli.plotting import plot_faults
    from fleetopt.cli.statement import given_options, named, output_faults, overlaid
    from fleetopt.errors import InputError
    from fleetopt.problem import PhasesApart, validate
    from fleetopt.questions.disaggregation import Question

    keys, _ = overlaid({}, given_options(ctx))
    spelled = {o.key: o.spelling for o in ctx.command.params if isinstance(o, ProblemOption)}
    faults = [*output_faults(output), *plot_faults(plot)]
    try:
        question = Question(validate(PhasesApart, keys, ""))
    except InputError as error:
        found = [*error.faults, *_faults_of_names(keys)]
        raise InputError([*named(found, "", spelled), *faults]) from None
    if faults:
        raise InputError(faults)
    return question


def _faults_of_names(keys: dict[str, Any]) -> Sequence[Fault]:
    """Faults of the file and the profiles, found even where other keys are wrong."""
    from fleetopt.errors import InputError
    from fleetopt.problem import PhasesApart, validate
    from fleetopt.questions.disaggregation.asked import read

    part = {key: keys[key] for key in ("cdf", "gpu_prefill", "gpu_decode") if key in keys}
    try:
        read(validate(PhasesApart, part, ""))
    except InputError as error:
        return error.faults
    return []


def _draw(question: Question, plot: str) -> None:
    from fleetopt.cli.plotting import write_figure
    from fleetopt.questions.disaggregation import costs_over_rates
    from fleetopt.questions.disaggregation.worth import worth
    from fleetopt.report.figures_disaggregation import costs_figure, worth_figure

    if question.stated.method == "published":
        write_figure(plot, costs_figure, costs_over_rates(question))
    else:
        write_figure(plot, worth_figure, worth(question))
