"""Figures, the only home of matplotlib; it comes with the `plot` extra."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fleetopt.errors import InputError
from fleetopt.questions.frontier import Axis, Frontier, FrontierPoint
from fleetopt.report import wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")
_DARK, _MID, _LIGHT = "#0b3c49", "#7a7a7a", "#b5b5b5"
_WIDE_RANGE = 8.0
"""Ratio of the ends of an axis from which it is logarithmic."""


def check_plot(path: str, suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Raise InputError unless a figure can be drawn in the format of `path`, one of `suffixes`."""
    if not path.lower().endswith(suffixes):
        known = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise InputError.single(f"--plot {path}", f"expected a name that ends in {known}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError.single(
            f"--plot {path}",
            "figures need matplotlib, which is not installed",
            "pip install 'fleetopt[plot]'",
        ) from None


def frontier_figure(frontier: Frontier, form: str) -> bytes:
    """The frontier as steps, its points with their fleets; form: "png" or "svg".

    A fleet beats everything to the right of and above its point. Refused and dominated
    fleets are drawn in lighter marks.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style = {"svg.hashsalt": "fleetopt", "font.size": 9.0, "svg.fonttype": "none"}
    with rc_context(style):
        figure = Figure(figsize=(8.0, 5.0), dpi=150, layout="constrained")
        _draw(figure.add_subplot(), frontier)
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _draw(axes: Axes, frontier: Frontier) -> None:
    first, second = frontier.axes
    x, y = _coordinates(frontier.axes, frontier.points)
    _scatter(axes, frontier, frontier.dominated, "dominated", marker="x", color=_LIGHT)
    _scatter(axes, frontier, frontier.refused, "refused by simulation",
             marker="o", facecolors="none", edgecolors=_MID)  # fmt: skip
    axes.step(x, y, where="post", color=_DARK, linewidth=1.2, zorder=2)
    axes.scatter(x, y, color=_DARK, s=26, zorder=3, label=_points_label(frontier))
    _knee(axes, frontier)
    for axis, set_scale, values in ((first, axes.set_xscale, x), (second, axes.set_yscale, y)):
        if min(values) > 0 and max(values) / min(values) > _WIDE_RANGE:
            set_scale("log")
            _plain_ticks(axes.xaxis if axis is first else axes.yaxis)
    axes.set_xlabel(_axis_label(first))
    axes.set_ylabel(_axis_label(second))
    axes.margins(x=0.06, y=0.10)
    _limits(axes, frontier)
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.set_title(f"{frontier.problem.name}: {first.label} against {second.label}", loc="left")
    axes.legend(frameon=False, loc="upper right")
    axes.figure.canvas.draw()  # labels are placed by what is where
    _label_fleets(axes, frontier)


def _scatter(
    axes: Axes, frontier: Frontier, points: Sequence[FrontierPoint], label: str, **marks: Any
) -> None:
    if points:
        axes.scatter(*_coordinates(frontier.axes, points), s=22, linewidths=1.0, zorder=1,
                     label=label, **marks)  # fmt: skip


def _knee(axes: Axes, frontier: Frontier) -> None:
    if frontier.knee is not None:
        x, y = _coordinates(frontier.axes, [frontier.knee])
        axes.scatter(x, y, s=110, facecolors="none", edgecolors=_DARK, zorder=3, label="knee")


def _limits(axes: Axes, frontier: Frontier) -> None:
    """Lines at what the problem allows, where they are near enough to be seen."""
    first, second = frontier.axes
    pairs = ((first, axes.axvline, axes.get_xlim), (second, axes.axhline, axes.get_ylim))
    for axis, draw, extent in pairs:
        if axis.limit is not None and _scaled(axis, axis.limit) < 3.0 * extent()[1]:
            name = "SLO" if axis.percentile is not None else "limit"
            draw(_scaled(axis, axis.limit), color=_MID, linestyle="--", linewidth=1.0, zorder=1,
                 label=f"{name}, {axis.label} {axis.limit:,g} {axis.unit}")  # fmt: skip


def _label_fleets(axes: Axes, frontier: Frontier) -> None:
    """Name the fleets whose names have room, those of the ends and of the knee first."""
    points = list(frontier.points)
    first = (points[0], points[-1], frontier.knee)
    taken: list[Any] = []
    for point in sorted(points, key=lambda point: point not in first):
        x, y = _coordinates(frontier.axes, [point])
        right = axes.transAxes.inverted().transform(axes.transData.transform((x[0], y[0])))[0] > 0.7
        text = axes.annotate(
            wording.fleet(point.fleet).replace(wording.NO_BREAK, " "),
            (x[0], y[0]), xytext=(-4 if right else 8, 6), textcoords="offset points",
            ha="right" if right else "left", va="bottom", fontsize=7.5, color="#222222",
        )  # fmt: skip
        box = text.get_window_extent().padded(2.0)
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


def _points_label(frontier: Frontier) -> str:
    verified = all(point.verification for point in frontier.points)
    return "not dominated, accepted by simulation" if verified else "not dominated, by the table"


def _coordinates(
    axes: tuple[Axis, Axis], points: Sequence[FrontierPoint]
) -> tuple[list[float], list[float]]:
    first, second = axes
    xs = [_scaled(first, point.values[0]) for point in points]
    return xs, [_scaled(second, point.values[1]) for point in points]


def _scaled(axis: Axis, value: float) -> float:
    return value / 1000.0 if axis.objective == "cost" else value


def _axis_label(axis: Axis) -> str:
    if axis.objective == "gpus":
        return "GPUs"
    units = {"cost": "K$ a year", "energy": "MWh a year", "carbon": "t a year"}
    unit = units.get(axis.objective, axis.unit)
    worst = " of the worst pool" if axis.percentile is not None else ""
    return f"{axis.label}{worst}, {unit}"


def _plain_ticks(axis: Any) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
