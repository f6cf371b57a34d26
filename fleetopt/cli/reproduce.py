"""`fleetopt reproduce`: the published scenarios, computed again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import click

from fleetopt.cli import options


@click.command(name="reproduce")
@click.option("--scenario", "scenarios", multiple=True, metavar="KEY",
              help="Only this published table, such as puzzle_4; repeat it for each.")  # fmt: skip
@click.option("--format", "form", default="table", show_default=True,
              type=click.Choice(["table", "markdown", "html", "json", "csv"]),
              help="Form of the answer.")  # fmt: skip
@options.output_file
def command(scenarios: tuple[str, ...], form: str, output: str | None) -> None:
    """Compute every published scenario again, and say what differs and why.

    For each figure: as published, by the published method in exact arithmetic, by the table,
    and by simulation of the published fleet, with its interval.
    """
    from fleetopt.cli.fleet_statement import output_faults
    from fleetopt.cli.output import write_answer, write_text
    from fleetopt.errors import InputError
    from fleetopt.questions.reproduce.answer import checked, reproduce
    from fleetopt.report import blocks
    from fleetopt.report import reproduction as report

    faults = output_faults({"--output": output})
    try:
        checked(scenarios or None)
    except InputError as error:
        faults += [replace(fault, place=f"--{fault.place}") for fault in error.faults]
    if faults:
        raise InputError(faults)
    with _bar() as show:
        found = reproduce(scenarios or None, progress=show)
    parts = report.reproduction_blocks(found)
    if form == "markdown":
        write_text(blocks.to_markdown(parts), output)
    elif form == "html":
        write_text(blocks.to_html(parts, report.TITLE), output)
    else:
        write_answer(
            form,
            output,
            table=lambda width: blocks.to_text(parts, width),
            data=lambda: report.reproduction_to_dict(found),
            rows=lambda: report.reproduction_rows(found),
        )


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(what: str, done: int, steps: int) -> None:
            bar.update(task, description=what, completed=done, total=steps)

        yield show
