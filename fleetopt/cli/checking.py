"""Several checks of what the user gave, so that all faults are told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fleetopt.errors import Fault, InputError


def check_all(*checks: Callable[[], object]) -> None:
    """Run every check. Raises InputError with the faults of all that fail, each once."""
    faults: list[Fault] = []
    for check in checks:
        try:
            check()
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(list(dict.fromkeys(faults)))


def check_files(
    paths: Mapping[str, str | None], plot: str | None = None, suffixes: Sequence[str] = ()
) -> None:
    """Raises InputError if a file by its option, or that of --plot, cannot be written."""
    from fleetopt.cli.fleet_statement import output_faults
    from fleetopt.cli.plotting import plot_faults

    faults = output_faults(paths) + plot_faults(plot, *suffixes)
    if faults:
        raise InputError(faults)
