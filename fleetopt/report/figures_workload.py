"""A workload as a figure: its lengths, its rate over time, its burstiness."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from fleetopt.problem import ArrivalFigures, LengthCdf, Workload
from fleetopt.workload.burstiness import modulated
from fleetopt.workload.lengths import LengthDistribution

_INK, _GREY = "#24323d", "#8796a1"
_TOTAL, _PROMPT, _OUTPUT = "#24323d", "#00897b", "#ef6c00"
_UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def workload_figure(stated: LengthCdf, kind: str) -> bytes:
    """The figure as the content of an image file; kind: png, svg or pdf."""
    arrivals = stated.arrivals if isinstance(stated, Workload) else None
    figure = Figure(figsize=(11, 7.2 if arrivals else 3.8), layout="constrained", dpi=120)
    panels = figure.subplots(2 if arrivals else 1, 2, squeeze=False)
    lengths = LengthDistribution.from_cdf(stated)
    draw_cdf(panels[0, 0], lengths)
    draw_joint(panels[0, 1], lengths)
    if arrivals is not None:
        draw_rate(panels[1, 0], arrivals)
        draw_dispersion(panels[1, 1], arrivals)
    figure.suptitle(stated.title or stated.name, fontsize=13, color=_INK, fontweight="bold")
    content = io.BytesIO()
    figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def draw_cdf(axes: Axes, lengths: LengthDistribution) -> None:
    """Shares of requests up to each total, prompt and output length."""
    lines = (
        ("total", lengths.total_tokens, _TOTAL),
        ("prompt", lengths.prompt_tokens, _PROMPT),
        ("output", lengths.output_tokens, _OUTPUT),
    )
    for name, tokens, colour in lines:
        order = np.argsort(tokens, kind="stable")
        below = np.cumsum(lengths.weights[order])
        axes.step(tokens[order], below, where="post", color=colour, label=name, lw=1.6)
    axes.set_ylim(0, 1.01)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %"))
    _named(axes, "Lengths", "tokens", "requests with at most as many")
    _log_tokens(axes.xaxis, axes.set_xscale)
    axes.legend(frameon=False, fontsize=9)


def draw_joint(axes: Axes, lengths: LengthDistribution) -> None:
    """Where requests lie by prompt and output tokens, on logarithmic axes."""
    prompt, output = lengths.prompt_tokens, lengths.output_tokens
    edges = [np.geomspace(0.9, tokens.max() * 1.1, 60) for tokens in (prompt, output)]
    mass, *_ = np.histogram2d(prompt, output, edges, weights=lengths.weights)
    shown = np.ma.masked_less_equal(mass.T, 0.0)
    mesh = axes.pcolormesh(*edges, shown, norm="log", cmap="viridis_r", rasterized=True)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01)
    bar.ax.tick_params(labelsize=8)
    bar.set_label("share of the requests", fontsize=10, color=_INK)
    _named(axes, "Prompt and output together", "prompt tokens", "output tokens")
    _log_tokens(axes.xaxis, axes.set_xscale)
    _log_tokens(axes.yaxis, axes.set_yscale)


def draw_rate(axes: Axes, arrivals: ArrivalFigures) -> None:
    """The rate over time, its mean and its largest values over longer windows."""
    profile = arrivals.profile
    edges = np.append(np.arange(len(profile.rates)) * profile.bin_s, arrivals.duration_s)
    fitting = [pair for pair in _UNITS if arrivals.duration_s >= 2 * pair[0]]
    size, unit = (fitting or _UNITS[-1:])[0]
    axes.stairs(profile.rates, edges / size, fill=True, color=_PROMPT, alpha=0.35)
    axes.stairs(profile.rates, edges / size, color=_PROMPT, lw=1.2)
    axes.axhline(arrivals.rate, color=_INK, lw=1.2, label=f"mean, {arrivals.rate:.3g}")
    peaks = [pair for pair in arrivals.peak_rates if pair[0] >= profile.bin_s]
    for (window, rate), style in zip(peaks[:2], (":", "--"), strict=False):
        label = f"largest over {_window(window, 0)}, {rate:.3g}"
        axes.axhline(rate, color=_OUTPUT, lw=1.2, ls=style, label=label)
    axes.set_ylim(0, 1.35 * max((*profile.rates, *(rate for _, rate in peaks[:2]))))
    axes.set_xlim(0, edges[-1] / size)
    start = f" since {profile.start_utc} UTC" if profile.start_utc else ""
    _named(
        axes, f"Rate in bins of {_window(profile.bin_s, 0)}", unit + start, "requests per second"
    )
    axes.legend(frameon=False, fontsize=9)


def draw_dispersion(axes: Axes, arrivals: ArrivalFigures) -> None:
    """The index of dispersion of counts over the window, against Poisson arrivals."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.axhline(1.0, color=_GREY, lw=1.2, label="Poisson arrivals")
    label = f"gaps, squared coefficient of variation {arrivals.gap_cv2:.3g}"
    axes.axhline(arrivals.gap_cv2, color=_OUTPUT, lw=1.2, ls="--", label=label)
    if arrivals.dispersion:
        windows, index = np.array(arrivals.dispersion).T
        axes.plot(windows, index, "o", color=_INK, label="counts, variance over mean")
        axes.set_xticks(windows)
        bursty = modulated(arrivals)
        if bursty is not None:
            fine = np.geomspace(windows[0], windows[-1], 100)
            fitted = [bursty.dispersion(float(window)) for window in fine]
            axes.plot(fine, fitted, color=_PROMPT, lw=1.4, label="bursts fitted to them")
    axes.xaxis.set_major_formatter(FuncFormatter(_window))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.5)
    _named(axes, "Burstiness", "window", "variance over mean")
    axes.legend(frameon=False, fontsize=9, loc="upper left")


def _named(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    axes.set_xlabel(x, fontsize=10, color=_INK)
    axes.set_ylabel(y, fontsize=10, color=_INK)
    axes.tick_params(labelsize=9, colors=_INK)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _log_tokens(axis: Any, set_scale: Any) -> None:
    set_scale("log", base=2)
    axis.set_major_locator(LogLocator(base=4))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1 else ""))


def _window(seconds: float, _: int) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
