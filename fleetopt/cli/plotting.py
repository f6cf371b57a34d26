"""The file of a figure: what is wrong with it, before anything is computed, and its writing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from fleetopt.errors import Fault, InputError

Found = TypeVar("Found")


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


def write_figure(plot: str, figure: Callable[[Found, str], bytes], found: Found) -> None:
    """Draw what was found into a file of the kind that its name ends with.

    figure: of what was found and the kind, such as "png". Raises InputError.
    """
    from fleetopt.report.export import write_whole

    write_whole(plot, figure(found, plot.lower().rsplit(".", 1)[1]))
