"""Wall time and peak memory of functions and of whole processes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_START = "from fleetopt.cli.main import run; run()"


def fastest_s(function: Callable[[], object], repeats: int) -> float:
    """Least wall time of a few calls, in seconds: what the work takes without disturbance."""
    return min(_seconds(function) for _ in range(repeats))


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


def fastest_process(arguments: Sequence[str], repeats: int) -> Process:
    """The fastest of a few runs of `fleetopt` with these arguments, after one to warm up.

    Raises RuntimeError, with what the process said, if it fails.
    """
    runs = [_run(arguments) for _ in range(repeats + 1)]
    return min(runs[1:], key=lambda run: run.seconds)


def _run(arguments: Sequence[str]) -> Process:
    command = [sys.executable, "-c", _START, *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError(f"fleetopt {' '.join(arguments)} left with {process.returncode}: {said}")
    return Process(seconds, usage.ru_maxrss / 1024)
