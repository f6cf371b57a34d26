"""Simulated against measured latencies, as a figure."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fleetopt.questions.validation import Validation

_INK, _GREY = "#24323d", "#8796a1"
_COLOURS = {"dense": "#00897b", "moe": "#ef6c00", "saturated": "#b0bec5"}
_LABELS = {"dense": "dense", "moe": "with experts", "saturated": "saturated"}


def validation_figure(found: Validation, form: str) -> bytes:
    """The figure as the content of an image file; form: png or svg."""
    figure = Figure(figsize=(11, 9.6), layout="constrained", dpi=110)
    (tpot, ttft), (by_clients, by_group) = figure.subplots(2, 2)
    _scatter(tpot, found, "tpot", "TPOT")
    _scatter(ttft, found, "ttft", "TTFT")
    _residuals(by_clients, found)
    _groups(by_group, found)
    figure.suptitle("Every group predicted from the others", color=_INK, fontweight="bold")
    content = io.BytesIO()
    figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None)
    return content.getvalue()


def _arrays(found: Validation, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measured and simulated milliseconds, and what each row is."""
    measured = np.array([getattr(each.row, f"{metric}_s") for each in found.rows]) * 1e3
    simulated = np.array([getattr(each, f"{metric}_s") for each in found.rows]) * 1e3
    kinds = np.array(["saturated" if each.saturated else each.row.kind for each in found.rows])
    return measured, simulated, kinds


def _scatter(axes: Axes, found: Validation, metric: str, name: str) -> None:
    measured, simulated, kinds = _arrays(found, metric)
    for kind, colour in _COLOURS.items():
        of = kinds == kind
        axes.loglog(measured[of], simulated[of], ".", color=colour, ms=3.5, alpha=0.6,
                    label=_LABELS[kind])  # fmt: skip
    ends = np.array([measured.min(), measured.max()])
    axes.loglog(ends, ends, color=_INK, lw=1.0)
    axes.fill_between(ends, ends / 1.25, ends * 1.25, color=_GREY, alpha=0.15, lw=0)
    _named(axes, f"{name}; the band is 25 %", "measured, ms", "simulated, ms")
    axes.legend(frameon=False, fontsize=8.5, markerscale=3)


def _residuals(axes: Axes, found: Validation) -> None:
    """Quartiles of the error of TTFT and TPOT over the clients, unsaturated rows."""
    clients = np.array([each.row.concurrency for each in found.rows])
    edges = np.array([0.0, 6, 12, 24, 48, 96, 192, np.inf])
    for metric, colour, shift in (("tpot", _COLOURS["dense"], 0.93), ("ttft", _INK, 1.07)):
        measured, simulated, kinds = _arrays(found, metric)
        error = 100 * (simulated / measured - 1)
        for low, high in pairwise(edges):
            rows = (clients > low) & (clients <= high) & (kinds != "saturated")
            if rows.any():
                at = float(np.median(clients[rows])) * shift
                quarter, middle, most = np.quantile(error[rows], [0.25, 0.5, 0.75])
                axes.plot([at, at], [quarter, most], color=colour, lw=2.5)
                axes.plot(at, middle, "o", color=colour, ms=6,
                          label=metric.upper() if low == 0 else None)  # fmt: skip
    axes.axhline(0.0, color=_GREY, lw=0.8)
    axes.set_xscale("log", base=2)
    _named(axes, "Error by clients: median and quartiles", "clients of a replica", "error, %")
    axes.legend(frameon=False, fontsize=8.5)


def _groups(axes: Axes, found: Validation) -> None:
    """Median errors of the groups."""
    errors = found.by(lambda each: each.row.group)
    ranked = sorted(errors.items(), key=lambda item: item[1].tpot or 0.0)
    place = np.arange(len(ranked))
    for value, colour, label in (("ttft", "#b9c4cb", "TTFT"), ("tpot", _COLOURS["dense"], "TPOT")):
        widths = [min(100.0, 100 * (getattr(each, value) or 0.0)) for _, each in ranked]
        axes.barh(place, widths, 0.8 if value == "ttft" else 0.45, color=colour, label=label)
    axes.set_yticks(place, [name for name, _ in ranked], fontsize=5.8)
    _named(axes, "Median absolute error by group, cut at 100 %", "%", "")
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")


def _named(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10.5, color=_INK, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
