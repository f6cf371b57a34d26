"""What the workload commands do with files: read, merge and cut traces; draw a workload."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fleetopt.catalog import find_file
from fleetopt.errors import Fault, InputError
from fleetopt.problem import LengthCdf
from fleetopt.report.export import write_whole
from fleetopt.workload.traces import Trace, merged, read_trace

IMAGES = (".pdf", ".png", ".svg")
"""Files that a workload is drawn into."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a trace, scaled. Raises InputError with every value that makes no sense.

    start_s, end_s: seconds since the first arrival; None for no limit.
    time, rate: factors for the gaps, and for the requests in the same time.
    """

    start_s: float | None
    end_s: float | None
    time: float
    rate: float
    seed: int

    def __post_init__(self) -> None:
        start = self.start_s or 0.0
        faults = []
        if not (math.isfinite(start) and start >= 0):
            faults.append(Fault("--start", f"must be at least 0, got {start:g}"))
        if self.end_s is not None and not self.end_s > start:
            faults.append(Fault("--end", f"must be above the start, {start:g}, got {self.end_s:g}"))
        for option, factor in (("--scale-time", self.time), ("--scale-rate", self.rate)):
            if not (factor > 0 and math.isfinite(factor)):
                faults.append(Fault(option, f"expected a number above 0, got {factor:g}"))
        if faults:
            raise InputError(faults)

    def of(self, trace: Trace) -> Trace:
        """The cut of a trace. Raises InputError if nothing is left."""
        if self.start_s is not None or self.end_s is not None:
            trace = trace.between(
                self.start_s or 0.0, math.inf if self.end_s is None else self.end_s
            )
        if self.time != 1.0:
            trace = trace.with_time_scaled(self.time)
        if self.rate != 1.0:
            trace = trace.with_rate_scaled(self.rate, np.random.default_rng(self.seed))
        return trace


def read_all(
    names: Sequence[str], kind: str | None, columns: Mapping[str, str], skip_bad_lines: bool
) -> Trace:
    """Several traces as one. Raises InputError with the faults of all of them."""
    traces, faults = [], list[Fault]()
    for name in names:
        try:
            traces.append(read_trace(find_file(name), kind, columns, skip_bad_lines))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    return merged(traces)


def columns_of(text: str | None) -> dict[str, str]:
    """Pairs such as 'prompt=tokens_in,output=tokens_out'. Raises InputError."""
    if text is None:
        return {}
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(field.strip() and sign and name.strip() for field, sign, name in pairs):
        wanted = "expected pairs such as prompt=tokens_in,output=tokens_out"
        raise InputError.single("--columns", f"{wanted}, got {text!r:.60}")
    return {field.strip(): name.strip() for field, _, name in pairs}


def draw(stated: LengthCdf, path: str) -> None:
    """Draw a workload to an image file."""
    from fleetopt.report.figures_workload import workload_figure

    write_whole(path, workload_figure(stated, Path(path).suffix.removeprefix(".").lower()))
