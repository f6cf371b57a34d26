"""From a trace to a workload: joint lengths, breakpoints, rate and burstiness."""

from __future__ import annotations

import numpy as np

from fleetopt.problem import RecordedFile, Workload
from fleetopt.workload.burstiness import arrival_figures
from fleetopt.workload.joint import joint_lengths, points
from fleetopt.workload.lengths import Ints
from fleetopt.workload.traces import Trace


def fit(trace: Trace, name: str = "", title: str = "", source: str = "") -> Workload:
    """The workload of a trace: its lengths exactly or in narrow bins, and how it arrived."""
    joint = joint_lengths(trace)
    prompt, output, counts = np.array(joint.pairs, dtype=np.int64).T
    total = prompt + output
    return Workload(
        name=name or "trace",
        title=title,
        source=source,
        prompt_fraction=float(prompt @ counts / (total @ counts)),
        cdf=points(total, counts),
        joint=joint,
        arrivals=arrival_figures(trace) if trace.duration_s > 0 else None,
        models=_counts(trace.model, trace.model_names),
        categories=_counts(trace.category, trace.category_names),
        files=tuple(
            RecordedFile(
                path=str(file.source.path),
                sha256=file.source.sha256,
                format=file.format,
                requests=file.requests,
                skipped=file.skipped,
            )
            for file in trace.files
        ),
    )


def _counts(codes: Ints | None, names: tuple[str, ...]) -> dict[str, int]:
    if codes is None:
        return {}
    counts = np.bincount(codes, minlength=len(names))
    return {name: int(n) for name, n in zip(names, counts, strict=True) if n}
