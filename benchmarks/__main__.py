"""Measure all subjects, or those named, and print a table: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from benchmarks import subjects
from benchmarks.figures import Figure, Subject


def find_subjects() -> dict[str, Subject]:
    """Every subject by its name, one a file of `benchmarks/subjects`."""
    files = sorted(module.name for module in iter_modules(subjects.__path__))
    found = [import_module(f"benchmarks.subjects.{file}").SUBJECT for file in files]
    return {subject.name: subject for subject in found}


def main() -> int:
    """Measure, print, and say by the exit code whether every target holds."""
    known = find_subjects()
    options = _parser(known).parse_args()
    measured: dict[str, list[Figure]] = {}
    for name in options.subjects or known:
        print(f"\n{name}: {known[name].about}")
        measured[name] = []
        for figure in known[name].measure():
            measured[name].append(figure)
            print(_line(figure), flush=True)
    if options.json:
        options.json.write_text(json.dumps(_report(measured), indent=2) + "\n")
    return int(any(figure.holds is False for figures in measured.values() for figure in figures))


def _parser(known: Iterable[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(known))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser


def _line(figure: Figure) -> str:
    text = f"  {figure.name:<58} {figure.value:>14,.4g} {figure.unit:<6}"
    if figure.target is None:
        return text.rstrip()
    word = "holds" if figure.holds else "MISSED"
    return f"{text} {figure.target.direction} {figure.target.value:,.4g}: {word}"


def _report(measured: dict[str, list[Figure]]) -> dict[str, object]:
    import fleetopt

    return {
        "schema": "fleetopt.benchmarks/1",
        "version": fleetopt.__version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "subjects": {
            name: [figure.to_dict() for figure in figures] for name, figures in measured.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
