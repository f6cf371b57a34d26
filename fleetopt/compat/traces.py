"""TraceWorkload: recorded requests under their published name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fleetopt.compat.workload import Request
from fleetopt.errors import InputError, near
from fleetopt.workload.traces import Trace, read_trace

_FIELDS = {"timestamp": "time", "l_in": "prompt", "l_out": "output", "model_id": "model",
           "category": "category"}  # fmt: skip
"""Published names of fields, and fleetopt's."""
_FORMATS = {
    "azure_csv": "azure",
    "splitwise": "csv",
    "semantic_router": None,
}
"""Published kinds of files, and fleetopt's; None tells the kind from the content."""


class TraceWorkload:
    """Requests of a recorded trace, in the order of their arrival.

    fmt: "azure_csv", "splitwise" or "semantic_router".
    scale_lam: requests per second; arrivals become Poisson at this rate instead of the file's.
    max_reqs: only so many, the first. seed: of the Poisson arrivals.
    field_map: names of the file's columns for timestamp, l_in, l_out, model_id and category;
        the usual ones are known. model_id_field: that of model_id alone.
    default_model_id: model of requests that state none.
    skip_bad_lines: leave bad lines out instead of naming them in an InputError.
    """

    def __init__(
        self,
        path: str | Path,
        fmt: str = "azure_csv",
        scale_lam: float | None = None,
        max_reqs: int | None = None,
        seed: int = 42,
        field_map: Mapping[str, str] | None = None,
        model_id_field: str | None = None,
        default_model_id: str | None = None,
        *,
        skip_bad_lines: bool = False,
    ) -> None:
        self.path = Path(path)
        self.fmt = fmt
        self.scale_lam = scale_lam
        self.max_reqs = max_reqs
        self.seed = seed
        self.default_model_id = default_model_id
        self.field_map = dict(field_map or {})
        if model_id_field:
            self.field_map["model_id"] = model_id_field
        self.skip_bad_lines = skip_bad_lines

    def generate(self) -> list[tuple[float, Request]]:
        """Pairs of arrival time, in seconds from the first, and request, in order of time.

        Raises InputError with every bad line.
        """
        if self.scale_lam is not None and not self.scale_lam > 0:
            raise InputError.single("scale_lam", f"must be above 0, got {self.scale_lam:g}")
        trace = self._read()
        count = len(trace) if self.max_reqs is None else min(self.max_reqs, len(trace))
        times = self._times(trace, count)
        models = _names(trace.model, trace.model_names, count)
        categories = _names(trace.category, trace.category_names, count)
        return [
            (t, Request(i, t, int(trace.prompt_tokens[i]), int(trace.output_tokens[i]),
                        categories[i] or "prose", models[i] or self.default_model_id))
            for i, t in enumerate(times)
        ]  # fmt: skip

    def _read(self) -> Trace:
        if self.fmt not in _FORMATS:
            raise InputError.single("fmt", f"unknown kind {self.fmt!r}", near(self.fmt, _FORMATS))
        for name in self.field_map:
            if name not in _FIELDS:
                raise InputError.single("field_map", f"unknown field {name!r}", near(name, _FIELDS))
        columns = {_FIELDS[name]: column for name, column in self.field_map.items()}
        return read_trace(self.path, _FORMATS[self.fmt], columns, self.skip_bad_lines)

    def _times(self, trace: Trace, count: int) -> list[float]:
        """Arrival times; a file without any needs a rate."""
        if self.scale_lam is not None:
            gaps = np.random.default_rng(self.seed).exponential(1.0 / self.scale_lam, count)
            return [float(t) for t in np.cumsum(gaps)]
        if not trace.is_timed:
            text = f"{trace.name} states no arrival times"
            raise InputError.single("scale_lam", text, "say a rate")
        return [float(t) for t in trace.arrival_s[:count]]


def _names(codes: NDArray[np.int64] | None, names: Sequence[str], count: int) -> list[str]:
    """A name for each request; empty where the trace has none."""
    return [""] * count if codes is None else [names[code] for code in codes[:count]]
