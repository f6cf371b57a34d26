"""The figure of an explanation: what removing each cause wins back, and which lengths miss."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from fleetopt.questions.explain import Explanation, Finding
from fleetopt.questions.explain.answer import Removal
from fleetopt.report.explanation import by_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DARK, _MID, _LIGHT = "#0b3c49", "#7a7a7a", "#b5b5b5"


def explanation_figure(found: Explanation, form: str) -> bytes:
    """The finding that the answer is about, as two panels; form: "png" or "svg"."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    one = found.answer
    style = {"svg.hashsalt": "fleetopt", "font.size": 9.0, "svg.fonttype": "none"}
    with rc_context(style):
        figure = Figure(figsize=(9.0, 3.8), dpi=150, layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
        figure.suptitle(_title(one), x=0.01, ha="left", fontsize=10.0)
        _causes(left, one)
        _lengths(right, one)
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _title(one: Finding) -> str:
    where = f"{one.pool}: " if one.pool else ""
    limit = f"{one.bound.label} within {one.bound.limit_ms:,g} ms"
    if one.attained.estimate is None:
        return f"{where}{limit}"
    within = f"{100.0 * one.attained.estimate:.2f} % of the requests are within it"
    return f"{where}{limit}: {within} ({one.standing})"


def _causes(axes: Axes, one: Finding) -> None:
    """Bars of what each removal wins back, with intervals; the binding cause is dark."""
    removals = by_share(one)[::-1]
    values = [100.0 * (removal.won_back.estimate or 0.0) for removal in removals]
    spread = [_spread(removal) for removal in removals]
    colours = [_DARK if removal.cause is one.cause else _LIGHT for removal in removals]
    places = range(len(removals))
    axes.barh(places, values, color=colours, height=0.62, zorder=2)
    axes.errorbar(
        values, places, xerr=list(zip(*spread, strict=True)), fmt="none", ecolor=_MID,
        elinewidth=1.2, capsize=2.5, zorder=3,
    )  # fmt: skip
    axes.set_yticks(places, [str(removal.cause) for removal in removals])
    axes.set_xlim(min(0.0, *values), max(105.0, *values))
    what = "misses" if one.examined == "misses" else "slowest requests"
    axes.set_xlabel(f"{what} won back without the cause, %")
    axes.set_title("One cause removed at a time", loc="left", fontsize=9.0)
    _plain(axes, "x")


def _spread(removal: Removal) -> tuple[float, float]:
    """Lengths of the two arms of an interval, in percent."""
    won = removal.won_back
    if won.estimate is None or won.low is None or won.high is None:
        return 0.0, 0.0
    return 100.0 * (won.estimate - won.low), 100.0 * (won.high - won.estimate)


def _lengths(axes: Axes, one: Finding) -> None:
    """Shares of all requests and of the examined ones, by band of total lengths."""
    bands = one.by_total
    whole, examined = max(1, one.arrivals), max(1, one.examined_count)
    places = range(len(bands))
    axes.bar([p - 0.2 for p in places], [100.0 * b.arrivals / whole for b in bands],
             width=0.4, color=_LIGHT, zorder=2, label="of all requests")  # fmt: skip
    what = "of the misses" if one.examined == "misses" else "of the slowest"
    axes.bar([p + 0.2 for p in places], [100.0 * b.missed / examined for b in bands],
             width=0.4, color=_DARK, zorder=2, label=what)  # fmt: skip
    axes.set_xticks(places, [f"{b.hi_tokens:,}" for b in bands], rotation=30, ha="right")
    axes.set_xlabel("total length up to, tokens")
    axes.set_ylabel("share, %")
    axes.set_title("Which lengths", loc="left", fontsize=9.0)
    axes.legend(frameon=False, loc="best")
    axes.margins(y=0.2)
    _plain(axes, "y")


def _plain(axes: Axes, grid: str) -> None:
    which: Any = grid
    axes.grid(True, axis=which, color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
