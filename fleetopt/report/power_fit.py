"""A refitted power curve as text, JSON and CSV."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.performance.power_fit import PowerFit, rms
from fleetopt.questions.energy.fitting import FittedPower
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group

SCHEMA = "fleetopt.power_fit/1"


def fit_report(found: FittedPower, width: int) -> Group:
    """The curve, its errors, and the draw at every batch that was measured."""
    fit, curve = found.fit, found.fit.curve
    table = columns("batch", "measured\nW", "fitted\nW", "before\nW", "points", left=0)
    for batch in sorted({batch for batch, _ in fit.points}):
        seen = [i for i, (n, _) in enumerate(fit.points) if n == batch]
        mean = sum(fit.points[i][1] for i in seen) / len(seen)
        table.add_row(f"{batch:g}", f"{mean:.1f}", f"{curve.watts(batch):.1f}",
                      f"{mean + _mean_before(fit, seen):.1f}", f"{len(seen):,}")  # fmt: skip
    return Group(
        line(
            f"{found.profile}: steepness {curve.steepness:.4g}, midpoint_log2 "
            f"{curve.midpoint_log2:.4g}, between {curve.idle_w:g} and {curve.nominal_w:g} W.",
            width, "bold",
        ),
        line(
            f"Error over {len(fit.points):,} points: {fit.rms_w:.1f} W root mean square, "
            f"{fit.worst_w:.1f} W at most; before the fit {rms(fit.before_w):.1f} W.", width,
        ),
        section("Draw by batch", table),
    )  # fmt: skip


def fit_to_dict(found: FittedPower) -> dict[str, Any]:
    """The JSON form; `power` is ready for a profile."""
    fit, curve = found.fit, found.fit.curve
    return {
        "schema": SCHEMA,
        "profile": found.profile,
        "file": found.file,
        "power": {
            "idle_w": curve.idle_w,
            "nominal_w": curve.nominal_w,
            "steepness": curve.steepness,
            "midpoint_log2": curve.midpoint_log2,
            "quality": curve.quality,
            "source": curve.source,
        },
        "rms_w": fit.rms_w,
        "worst_w": fit.worst_w,
        "rms_before_w": rms(fit.before_w) if fit.before_w else math.nan,
        "rows": fit_rows(found),
    }


def fit_rows(found: FittedPower) -> list[dict[str, Any]]:
    """One flat row for each point."""
    fit = found.fit
    return [
        {"batch": batch, "watts": watts, "fitted_w": watts + error, "before_w": watts + before}
        for (batch, watts), error, before in zip(
            fit.points, fit.errors_w, fit.before_w, strict=True
        )
    ]


def _mean_before(fit: PowerFit, seen: list[int]) -> float:
    return sum(fit.before_w[i] for i in seen) / len(seen)
