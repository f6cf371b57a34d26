"""`fleetopt placement`: parallelism and replicas of both phases for the most goodput of a GPU."""

from __future__ import annotations

import click

from fleetopt.cli import options

_DEFAULT_SHARE = 0.9
_PHASES = options.ProblemOption(["--phases"], key="phases")


@click.command(name="placement")
@options.cdf
@options.problem_option("--slo-ttft", key="slo.ttft", metavar="MS", required=True,
                        help="Bound on TTFT, in ms.")  # fmt: skip
@options.problem_option("--slo-tpot", key="slo.tpot", metavar="MS", required=True,
                        help="Bound on TPOT, in ms.")  # fmt: skip
@click.option("--attainment", type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
              default=_DEFAULT_SHARE, show_default=True, metavar="SHARE",
              help="Share of the requests that keep both bounds.")  # fmt: skip
@options.problem_option("--max-gpus", key="max_gpus", metavar="N",
                        help="Most GPUs of a placement; 16 if absent.")  # fmt: skip
@options.problem_option("--gpus", key="gpus", kind="text", many=True, metavar="NAMES",
                        help="GPU types to choose from, separated by commas.")  # fmt: skip
@options.problem_option("--max-ctx", key="max_context", metavar="TOKENS",
                        help="Context window of every replica; the CDF's last point if "
                             "absent.")  # fmt: skip
@options.problem_option("--overlong", key="overlong", kind="text", metavar="clip|reject",
                        help="What happens to requests beyond the context window.")  # fmt: skip
@options.problem_option("--admission", key="admission", kind="text", metavar="reserved|paged",
                        help="How the engine admits sequences.")  # fmt: skip
@options.link
@options.engines
@options.problem_option("--verify/--no-verify", key="verification.enabled", default=None,
                        help="Lower the rates until simulation attains the share.")  # fmt: skip
@options.simulation
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, attainment: float, form: str, output: str | None, **_: object
) -> None:
    """Find the placement with the largest rate per GPU that is in time.

    Prefill and decode each have a parallelism and a number of replicas; pools of both phases
    stand beside them. Exit code 1 means that no placement keeps the bounds at any rate.
    """
    from fleetopt.cli.answer import write_refusal
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.cli.statement import given_options, state
    from fleetopt.errors import InfeasibleError, InputError
    from fleetopt.report import placement as report

    stated = state(None, {**given_options(ctx), _PHASES: "either"}, output)
    from fleetopt.questions.placement import place

    try:
        with progress() as show:
            found = place(stated.problem, attainment, stated.beside, progress=show)
    except InputError as error:
        raise stated.in_the_users_words(error) from None
    except InfeasibleError as error:
        write_refusal(error, form, output)
        raise
    write_answer(
        form,
        output,
        table=lambda width: report.placement_report(found, width),
        data=lambda: report.placement_to_dict(found),
        rows=lambda: report.placement_rows(found),
    )
