"""Wall time and peak memory of functions and of whole processes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

START = "from fleetopt.cli.main import run; run()"
_LAUNCHER = """
import os, sys, time
began = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - began, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process that starts and times the command: its peak memory begins at the launcher's."""


def fastest_s(function: Callable[[], object], repeats: int) -> float:
    """Least wall time of a few calls, in seconds: what the work takes without disturbance."""
    return min(_seconds(function) for _ in range(repeats))


def fastest_each_s(functions: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Least wall time of each of several functions, called in turn, in seconds."""
    runs = [[_seconds(function) for function in functions] for _ in range(repeats)]
    return [min(own) for own in zip(*runs, strict=True)]


def _seconds(function: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Process:
    """How long a process ran, in seconds, and the most memory that it held, in MiB."""

    seconds: float
    peak_mib: float


def fastest_process(arguments: Sequence[str], repeats: int, start: str = START) -> Process:
    """The fastest of a few runs of `fleetopt` with these arguments, after one to warm up.

    Modules are compiled once, as those of an installed program are.
    start: Python that runs the command; another program's, to compare it.
    Raises RuntimeError, with what the process said, if it fails.
    """
    runs = [_run(arguments, start) for _ in range(repeats + 1)]
    return min(runs[1:], key=lambda run: run.seconds)


def fastest_in_turn(
    arguments: Sequence[str], repeats: int, starts: Sequence[str]
) -> tuple[Process, ...]:
    """The fastest runs of several programs with these arguments, one after the other each time.

    What disturbs the machine for a while disturbs all of them. Raises RuntimeError if one fails.
    """
    runs = [[_run(arguments, start) for start in starts] for _ in range(repeats + 1)][1:]
    return tuple(min(own, key=lambda run: run.seconds) for own in zip(*runs, strict=True))


def _run(arguments: Sequence[str], start: str) -> Process:
    command = [sys.executable, "-S", "-c", _LAUNCHER, sys.executable, "-c", start, *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} failed: {run.stderr}")
    seconds, peak_kib = run.stdout.split()[-2:]
    return Process(float(seconds), int(peak_kib) / 1024)
