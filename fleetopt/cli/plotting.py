"""What is wrong with the file of a figure, before anything is computed."""

from __future__ import annotations

from dataclasses import replace

from fleetopt.errors import Fault, InputError


def plot_faults(plot: str | None, *suffixes: str) -> list[Fault]:
    """Faults of a --plot FILE: its kind, its place, and whether figures can be drawn.

    suffixes: of the files that the figure can be drawn into, if not those of most figures.
    """
    if plot is None:
        return []
    from fleetopt.report.export import check_writable
    from fleetopt.report.figures import SUFFIXES, check_plot

    try:
        check_plot(plot, suffixes or SUFFIXES)
        check_writable(plot)
    except InputError as error:
        return [
            fault if fault.place.startswith("--plot") else replace(fault, place=f"--plot {plot}")
            for fault in error.faults
        ]
    return []
