"""`fleetopt new`: copy a bundled model into a new folder."""

from __future__ import annotations

import click


@click.command(name="new")
@click.argument("folder", metavar="DIR")
@click.option(
    "--from",
    "model",
    default="lmsys",
    show_default=True,
    metavar="MODEL",
    help="The bundled model to copy; `fleetopt info` lists them.",
)
def command(folder: str, model: str) -> None:  # fmt: skip
    """Copy a bundled model into the new folder DIR, to start from."""
    from pathlib import Path

    from fleetopt.catalog import copy_model, read_problem
    from fleetopt.cli.output import write_text

    copy_model(model, Path(folder))
    leave = " --allow-python" if read_problem(folder)[0].extension else ""
    write_text(f"Copied {model} to {folder}. Solve it with: fleetopt solve {folder}{leave}\n", None)
