"""Where answers go: standard output or a file; and progress on standard error."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from fleetopt.errors import InputError

if TYPE_CHECKING:
    from fleetopt.report.layout import Layout

FILE_WIDTH = 100


def write_text(text: str, output: str | None) -> None:
    """Write an answer to a file, or to standard output if there is none."""
    if output not in (None, "-"):
        from fleetopt.report.export import write_whole

        write_whole(str(output), text)
        return
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError.single("standard output", f"cannot be written: {error.strerror}") from None


def write_answer(
    form: str,
    output: str | None,
    *,
    table: Callable[[int], Layout],
    data: Callable[[], Any],
    rows: Callable[[], list[dict[str, Any]]],
) -> None:
    """Write an answer in the wanted form.

    table: makes the readable form for a width in columns; data: the JSON form, to which the
    rows are added unless it has its own or is a plan; rows: CSV.
    """
    if form == "table":
        write_text(_readable(table, output), output)
        return
    from fleetopt.report.export import to_csv, to_json

    text = to_csv(rows()) if form == "csv" else to_json(_with_rows(data(), rows))
    write_text(text, output)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being done on standard error.

    quiet: something else is written there.

    Without a terminal it only says why the first run ever takes longer.
    """
    if quiet or not sys.stderr.isatty():
        yield _say_that_it_compiles
        return
    from rich.console import Console

    with Console(stderr=True).status("", spinner="line") as status:
        yield status.update


def _with_rows(data: Any, rows: Callable[[], list[dict[str, Any]]]) -> Any:
    """The JSON form with `rows`; plan files keep the keys that they are read by."""
    from fleetopt.plan import SCHEMA

    if "rows" in data or data.get("schema") == SCHEMA:
        return data
    return {**data, "rows": list(rows())}


def _say_that_it_compiles(message: str) -> None:
    from fleetopt.simulation import COMPILING

    if message == COMPILING:
        click.echo(message, err=True)


def _readable(table: Callable[[int], Layout], output: str | None) -> str:
    from fleetopt.report.console import render

    to_terminal = output in (None, "-")
    width = shutil.get_terminal_size((FILE_WIDTH, 24)).columns if to_terminal else FILE_WIDTH
    return render(table(width), width, colour=to_terminal and sys.stdout.isatty())
