"""How a profile comes about, as a figure: steps under their roofs, and the fitted lines."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fleetopt.performance.roofline import Step
from fleetopt.performance.roofline.roofs import Roofs
from fleetopt.questions.profiles import Derivation

_INK, _GREY = "#24323d", "#8796a1"
_DECODE, _PREFILL = "#00897b", "#ef6c00"
_LINE = 0.042
"""Height of a line of small text, as a share of the axis."""
_COLUMN = 2.5
"""Steps whose intensities differ by less than this factor are named in one column."""


def profile_figure(found: Derivation, form: str) -> bytes:
    """The figure as the content of an image file; form: png or svg."""
    figure = Figure(figsize=(11, 4.4), layout="constrained", dpi=120)
    roofs, times = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    draw_roofs(roofs, found)
    draw_times(times, found)
    profile = found.profile
    figure.suptitle(f"{profile.serves} on {profile.gpus_per_replica} x {profile.gpu}, computed",
                    fontsize=12, color=_INK, fontweight="bold")  # fmt: skip
    content = io.BytesIO()
    figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None)
    return content.getvalue()


def draw_roofs(axes: Axes, found: Derivation) -> None:
    """Every step at its arithmetic intensity and its rate, below what the GPU reaches."""
    deployment = found.profile.deployment
    reached = Roofs.of(deployment.gpu, deployment.tflops, found.profile.reached)
    spec = deployment.gpu.spec
    done = [step for step in (*found.decode, *found.prefill) if step.flops]
    low = min(step.intensity for step in done) / 3
    high = max(step.intensity for step in done) * 30  # names stand beside the steps
    x = np.geomspace(low, high, 300)
    peak = np.minimum(spec.memory_gb_per_s * 1e9 * x, deployment.tflops * 1e12)
    roof = np.minimum(reached.bytes_per_s * x, reached.narrow)
    axes.loglog(x, peak / 1e12, color=_GREY, lw=1.0, ls="--", label="peak of the data sheet")
    axes.loglog(x, roof / 1e12, color=_INK, lw=1.6, label="roof that is reached")
    batch = f"decode, {found.batch} sequences"
    budget = f"prefill, {deployment.engine.token_budget:,} tokens"
    axes.set_ylim(min(_tflops(step) for step in done) / 3, 2.0 * peak.max() / 1e12)
    for label, steps, colour in ((batch, found.decode, _DECODE), (budget, found.prefill, _PREFILL)):
        _draw_steps(axes, label, [step for step in steps if step.flops], colour)
    _named(axes, "Steps under their roofs", "operations for each byte", "TFLOP/s of a GPU")
    axes.legend(frameon=False, fontsize=8.5, loc="lower right", markerscale=0.5)


def draw_times(axes: Axes, found: Derivation) -> None:
    """The decode iteration over its batch: the roofline's, and W + h C."""
    fitted, engine = found.profile.fitted, found.profile.deployment.engine
    batch, seconds = np.array(fitted.decodes).T
    time = fitted.iteration
    fine = np.linspace(0.0, batch.max(), 200)
    line = time.base_s + time.per_context_token_s * engine.mean_context_tokens * fine
    axes.plot(batch, 1e3 * seconds, "o", color=_DECODE, label="sum of the steps")
    axes.plot(fine, 1e3 * line, color=_INK, lw=1.4, label="W + h C")
    axes.set_ylim(0.0, 1.15 * 1e3 * max(seconds.max(), line.max()))
    title = f"Decode iteration at {engine.mean_context_tokens:,} tokens of context"
    _named(axes, title, "sequences", "ms")
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def _draw_steps(axes: Axes, label: str, steps: list[Step], colour: str) -> None:
    """Points as large as their share of the time, each with its name beside its column."""
    whole = sum(step.total_s for step in steps)
    shares = [step.total_s / whole for step in steps]
    axes.scatter(
        [step.intensity for step in steps], [_tflops(step) for step in steps],
        s=[30 + 400 * share for share in shares], color=colour, alpha=0.65, label=label, zorder=3,
    )  # fmt: skip
    columns: list[list[Step]] = []
    for step in sorted(steps, key=lambda step: step.intensity):
        if not columns or step.intensity > _COLUMN * columns[-1][0].intensity:
            columns.append([])
        columns[-1].append(step)
    for column in columns:
        _name_column(axes, column)


def _name_column(axes: Axes, column: list[Step]) -> None:
    """Names of steps of about one intensity, from the fastest down, none over another."""
    beside = 1.9 * max(step.intensity for step in column)
    low, high = np.log10(axes.get_ylim())
    above = np.inf
    for step in sorted(column, key=_tflops, reverse=True):
        above = min(float(np.log10(_tflops(step))), above - _LINE * (high - low))
        leader = ((step.intensity, 0.96 * beside), (_tflops(step), 10**above))
        axes.plot(*leader, color=_GREY, lw=0.6, zorder=1)
        axes.text(
            beside, 10**above, step.name, fontsize=8, color=_INK, va="center", zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _tflops(step: Step) -> float:
    return step.flops / step.seconds / 1e12


def _named(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    axes.set_xlabel(x, fontsize=10, color=_INK)
    axes.set_ylabel(y, fontsize=10, color=_INK)
    axes.tick_params(labelsize=9, colors=_INK)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
