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
    fleet_option("--method", key="method", kind="text", metavar="published", shown="published",
                 help="How replicas are counted; what the method leaves out stands beside it."),
)  # fmt: skip


@click.command(name="disagg")
@_question
@click.option("--plot", metavar="FILE", help="Draw both costs over the rate: .png or .svg.")
@output
@click.pass_context
def command(
    ctx: click.Context, /, plot: str | None, form: str, output: str | None, **_: object
) -> None:
    """Count replicas for prefill and decode apart, beside aggregated pools.

    The published method leaves the prompt's KV out of decode; the answer states its counts and
    those with the prompt's KV. Exit code 1 means that no counts keep the SLO.
    """
    from fleetopt.cli.output import write_answer
    from fleetopt.errors import InfeasibleError
    from fleetopt.questions.disaggregation import answer
    from fleetopt.report import disaggregation as report

    question = _asked(ctx, plot, output)
    try:
        found = answer(question)
    except InfeasibleError as error:
        from fleetopt.cli.answer import write_refusal

        write_refusal(error, form, output)
        raise
    if plot is not None:
        _draw(question, plot)
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
    faults = [*output_faults(output), *(plot_faults(plot) if plot else [])]
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
    from fleetopt.questions.disaggregation import costs_over_rates
    from fleetopt.report.export import write_whole
    from fleetopt.report.figures_disaggregation import costs_figure

    kind = plot.lower().rsplit(".", 1)[1]
    write_whole(plot, costs_figure(costs_over_rates(question), kind))
