"""`fleetopt info`: what is bundled, and where."""

from __future__ import annotations

import click

from fleetopt.cli import options
from fleetopt.cli.checking import check_files


@click.command(name="info")
@options.output
def command(form: str, output: str | None) -> None:
    """List bundled workloads, profiles, GPUs and models."""
    from fleetopt.cli.output import write_answer
    from fleetopt.report.catalogue import bundled, info_report, info_rows, info_to_dict

    check_files({"--output": output})
    found = bundled()
    write_answer(
        form,
        output,
        table=lambda width: info_report(found, width),
        data=lambda: info_to_dict(found),
        rows=lambda: info_rows(found),
    )
