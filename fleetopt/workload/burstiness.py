"""How requests arrived: rate, variation of gaps and counts, and the rate over time."""

from __future__ import annotations

import numpy as np

from fleetopt.problem import ArrivalFigures, RateProfile
from fleetopt.workload.arrivals import Floats, ModulatedPoisson
from fleetopt.workload.traces import Trace
from fleetopt.workload.traces.trace import peak_count
from fleetopt.workload.traces.values import clock

WINDOWS_S = (0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)
"""Windows over which arrivals are counted."""
LEAST_WINDOWS = 10
"""Windows that a recording must hold for their index of dispersion."""
MOST_BINS = 120
"""Bins of the rate over time."""
_BINS_S = (1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0, 604_800.0)


def arrival_figures(trace: Trace) -> ArrivalFigures:
    """Rate, burstiness and the rate over time. Raises InputError without arrival times."""
    gaps = np.diff(trace.arrival_s)
    windows = [w for w in WINDOWS_S if trace.duration_s >= LEAST_WINDOWS * w]
    peaks = [w for w in WINDOWS_S[1:] if w < trace.duration_s]
    return ArrivalFigures(
        requests=len(trace),
        duration_s=trace.duration_s,
        rate=trace.rate,
        gap_cv2=float(gaps.var() / gaps.mean() ** 2),
        dispersion=tuple((w, dispersion(trace.arrival_s, w)) for w in windows),
        peak_rates=tuple((w, peak_count(trace.arrival_s, w) / w) for w in peaks),
        profile=_profile(trace),
    )


def dispersion(arrival_s: Floats, window_s: float) -> float:
    """Index of dispersion of counts: their variance over their mean, in whole windows."""
    whole = int(arrival_s[-1] // window_s)
    windows = (arrival_s / window_s).astype(np.int64)
    counts = np.bincount(windows[windows < whole], minlength=whole)
    return float(counts.var() / counts.mean()) if counts.any() else 0.0


def modulated(figures: ArrivalFigures) -> ModulatedPoisson | None:
    """The MMPP(2) of a measured burstiness; None where counts vary no more than Poisson's.

    Its index of dispersion is 1 + A (1 - (1 - exp(-t / s)) s / t): A by least squares for
    each time scale s of a grid, each window weighing by its relative error. Of the processes
    that have this index, the one whose gaps vary most nearly as measured.
    """
    measured = np.array([pair for pair in figures.dispersion if pair[1] > 0])
    if measured.size == 0 or measured[:, 1].max() <= 1.0:
        return None
    windows, index = measured.T
    excess = (index - 1.0) / index
    best = (np.inf, 0.0, 0.0)
    for scale in np.geomspace(windows[0] / 10.0, windows[-1] * 10.0, 200):
        shape = (1.0 + np.expm1(-windows / scale) * scale / windows) / index
        height = float(shape @ excess / (shape @ shape))
        best = min(best, (float(np.sum((height * shape - excess) ** 2)), float(scale), height))
    _, scale, height = best
    return _with_gaps(figures, scale, 1.0 + height) if height > 0 else None


def _with_gaps(figures: ArrivalFigures, scale_s: float, index: float) -> ModulatedPoisson:
    """Of the processes with this rate, time scale and index, the one with the nearest gaps."""
    silent = ModulatedPoisson.of(figures.rate, index, scale_s)
    shares = silent.burst_share * np.geomspace(1e-3, 1.0, 200)[:-1]
    found = [ModulatedPoisson.of(figures.rate, index, scale_s, float(share)) for share in shares]
    wanted = np.log(max(figures.gap_cv2, 1e-9))
    return min([silent, *found], key=lambda process: abs(np.log(process.cv2) - wanted))


def _profile(trace: Trace) -> RateProfile:
    duration_s = trace.duration_s
    bin_s = next((b for b in _BINS_S if b * MOST_BINS >= duration_s), _BINS_S[-1])
    bins = max(1, int(duration_s / bin_s + 0.5))
    edges = np.append(np.arange(bins) * bin_s, duration_s)
    counts, _ = np.histogram(trace.arrival_s, edges)
    unix_s = trace.unix_s
    return RateProfile(
        bin_s=bin_s,
        rates=tuple((counts / np.diff(edges)).tolist()),
        start_utc="" if unix_s is None else clock(unix_s),
        hours_utc=() if unix_s is None else _hours(trace.arrival_s + unix_s),
    )


def _hours(unix_s: Floats) -> tuple[float | None, ...]:
    """The rate in each hour of the day, over the time that was recorded in it."""
    first, last = unix_s[0], unix_s[-1]
    edges = np.arange(first // 3600, last // 3600 + 2) * 3600.0
    recorded = np.minimum(edges[1:], last) - np.maximum(edges[:-1], first)
    hours = (edges[:-1] // 3600 % 24).astype(np.int64)
    seconds = np.bincount(hours, weights=np.maximum(recorded, 0.0), minlength=24)
    counts = np.bincount((unix_s // 3600 % 24).astype(np.int64), minlength=24)
    return tuple(float(n / s) if s > 0 else None for n, s in zip(counts, seconds, strict=True))
