"""Whole commands, from the start of the process to its end, once caches are warm."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure, Subject, Target
from benchmarks.timing import fastest_process

SOLVE = ("solve", "--cdf", "data/lmsys_cdf.json")
LIMITS_S = {
    ("--help",): 0.15,
    (*SOLVE, "--no-verify"): 1.0,
    SOLVE: 5.0,
    (*SOLVE, "--no-verify", "--lam", "1e6"): 5.0,
    ("frontier", "lmsys"): 5.0,
    ("frontier", "lmsys", "--objectives", "cost,tpot"): 5.0,
}
MOST_MIB = 400.0


def measure() -> Iterator[Figure]:
    """Seconds and peak memory of each command."""
    for arguments, limit_s in LIMITS_S.items():
        process = fastest_process(arguments, repeats=3)
        command = " ".join(("fleetopt", *arguments))
        yield Figure(command, process.seconds, "s", Target("at most", limit_s))
        yield Figure(f"{command}, memory", process.peak_mib, "MiB", Target("at most", MOST_MIB))


SUBJECT = Subject("commands", "whole processes, best of 3 after one to warm up", measure)
