"""A fit to measured runs, as a figure: measured against fitted, and residuals."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from fleetopt.performance.fit import Fit

_INK, _GREY, _POINT = "#24323d", "#8796a1", "#00897b"


def fit_figure(found: Fit, form: str) -> bytes:
    """The figure as the content of an image file; form: png or svg."""
    figure = Figure(figsize=(10, 4.2), layout="constrained", dpi=120)
    fitted, residuals = figure.subplots(1, 2)
    measured = np.array([point.e2e_s for point in found.points])
    errors = np.array(found.errors)
    context = np.array([point.context_tokens for point in found.points])
    fitted.loglog(measured, measured * (1 + errors), "o", color=_POINT, ms=5)
    fitted.loglog(np.sort(measured), np.sort(measured), color=_INK, lw=1.0)
    residuals.semilogx(context, 100 * errors, "o", color=_POINT, ms=5)
    residuals.axhline(0.0, color=_GREY, lw=0.8)
    for axes, title, x, y in (
        (fitted, "Mean E2E", "measured, s", "fitted, s"),
        (residuals, "Residuals", "context tokens of the batch", "error, %"),
    ):
        axes.set_title(title, fontsize=10.5, color=_INK, loc="left")
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None)
    return content.getvalue()
