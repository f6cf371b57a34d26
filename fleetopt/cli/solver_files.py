"""What a user may see of the solver: its own log, and the program that it solved."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import UnsupportedOperation
from pathlib import Path
from typing import Any, TextIO

from fleetopt.errors import Fault, InputError
from fleetopt.report.export import check_writable, write_whole

SUFFIXES = (".lp", ".mps")


def faults(log: str | None, program: str | None, output: str | None) -> list[Fault]:
    """What is wrong with the files of --solver-log and --save-lp."""
    found = []
    if program is not None and Path(program).suffix.lower() not in SUFFIXES:
        found.append(Fault("--save-lp", f"expected a file in .lp or .mps, got {program!r}"))
    named = {"--output": output, "--solver-log": log, "--save-lp": program}
    files = {
        option: os.path.realpath(file) for option, file in named.items() if file not in (None, "-")
    }
    for option in ("--solver-log", "--save-lp"):
        file = named[option]
        if file is not None and not any(fault.place == option for fault in found):
            found += _unwritable(option, file)
    for i, (option, file) in enumerate(files.items()):
        for before in list(files)[:i]:
            if files[before] == file:
                found.append(Fault(option, f"this is the file of {before}", "name another"))
    return found


def _unwritable(option: str, file: str) -> list[Fault]:
    try:
        check_writable(file)
    except InputError as error:
        return [replace(fault, place=f"{option} {fault.place}") for fault in error.faults]
    return []


@contextmanager
def log(file: str | None) -> Iterator[TextIO | None]:
    """Where the solver's log goes: a file, standard error for "-", or nowhere."""
    if file is None:
        yield None
    elif file == "-":
        with _standard_error() as stream:
            yield stream
    else:
        with open(file, "w", encoding="utf-8") as stream:
            yield stream


@contextmanager
def _standard_error() -> Iterator[TextIO]:
    """Standard error as it is now, whatever its descriptor stands for during a solve."""
    with suppress(UnsupportedOperation):
        with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as stream:
            yield stream
        return
    yield sys.stderr


def saver(file: str | None) -> Callable[[Any], None] | None:
    """A function that writes a program to a file, whole or not at all."""
    if file is None:
        return None

    def save(model: Any) -> None:
        from fleetopt.optimization.text import FORMS

        write_whole(file, FORMS[Path(file).suffix.lower()](model))

    return save
