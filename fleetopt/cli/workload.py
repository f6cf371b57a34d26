"""`fleetopt workload`: fit a workload to recorded traffic, and show it."""

from __future__ import annotations

import click

from fleetopt.cli import options
from fleetopt.cli.checking import check_all, check_files


@click.group(name="workload")
def command() -> None:
    """Fit a workload to recorded traffic, and show it."""


@command.command(name="fit")
@click.argument("traces", metavar="TRACE...", nargs=-1, required=True)
@click.option(
    "-o", "--output", "--out", "output", metavar="FILE", help="Write the workload file here."
)
@click.option(
    "--format",
    "kind",
    metavar="NAME",
    help="Kind of the files: azure, csv, jsonl, vllm "
    "or guidellm; told from their content if absent.",
)
@click.option(
    "--columns",
    "mapping",
    metavar="FIELD=NAME,...",
    help="The files' own names for time, prompt, output, model and category.",
)
@click.option("--skip-bad-lines", is_flag=True, help="Leave bad lines out, and count them.")
@click.option("--start", type=float, metavar="S", help="Leave out what arrives before this second.")
@click.option("--end", type=float, metavar="S", help="Leave out what arrives from this second on.")
@click.option(
    "--scale-time", type=float, default=1.0, metavar="X", help="Make every gap X times as long."
)
@click.option(
    "--scale-rate",
    type=float,
    default=1.0,
    metavar="X",
    help="Take X times the requests in the same time.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Seed of --scale-rate.",
)
@click.option("--name", metavar="NAME", help="Name of the workload; the first file's if absent.")
@click.option("--title", default="", metavar="TEXT", help="Its full name.")
@click.option("--source", default="", metavar="TEXT", help="Where the recording comes from.")
def fit(
    traces: tuple[str, ...], output: str | None, kind: str | None, mapping: str | None,
    skip_bad_lines: bool, start: float | None, end: float | None, scale_time: float,
    scale_rate: float, seed: int, name: str | None, title: str, source: str,
) -> None:  # fmt: skip
    """Fit a workload file to recorded traffic.

    Each TRACE is a CSV or JSON Lines file with one request a line, or the result file of a
    vLLM or GuideLLM benchmark; several are merged, each from its own start. The workload
    holds the joint lengths, the rate and how bursty it is; solve and table take it as --cdf.
    """
    from fleetopt.cli.output import write_text
    from fleetopt.cli.recordings import Cut, columns_of, read_all
    from fleetopt.report.export import to_json
    from fleetopt.report.workload import fitted_line, workload_to_dict
    from fleetopt.workload.fitting import fit as fitted

    cut = Cut(start, end, scale_time, scale_rate, seed)
    check_files({"--output": output})
    trace = cut.of(read_all(traces, kind, columns_of(mapping), skip_bad_lines))
    workload = fitted(trace, name or trace.files[0].source.path.stem, title, source)
    write_text(to_json(workload_to_dict(workload)), output)
    click.echo(fitted_line(workload), err=True)


@command.command(name="show")
@click.argument("file", metavar="FILE")
@click.option("--plot", metavar="FILE", help="Draw it into a .png, .svg or .pdf file.")
@options.output
def show(file: str, plot: str | None, form: str, output: str | None) -> None:
    """Show a workload file, a length CDF or a bundled workload."""
    from fleetopt.catalog import read_lengths
    from fleetopt.cli.output import write_answer
    from fleetopt.cli.recordings import IMAGES, draw
    from fleetopt.report import workload as report

    check_all(lambda: read_lengths(file), lambda: check_files({"--output": output}, plot, IMAGES))
    stated, _ = read_lengths(file)
    if plot is not None:
        draw(stated, plot)
    write_answer(
        form,
        output,
        table=lambda width: report.workload_report(stated, width),
        data=lambda: report.figures_to_dict(stated),
        rows=lambda: report.quantile_rows(stated),
    )
