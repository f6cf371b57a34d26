"""What fits where, as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetopt.performance.memory import GIB
from fleetopt.problem import LlmSpec
from fleetopt.questions.profiles import Fit
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group
from fleetopt.report.profile import imported_line

SCHEMA = "fleetopt.fits/1"


def fits_report(llm: LlmSpec, found: Sequence[Fit], width: int) -> Group:
    """A table of sequences by context, one row for each GPU type and way to run the model."""
    contexts = list(dict.fromkeys(context for fit in found for context, _ in fit.slots))
    table = columns("GPU", "GPUs", "weights", "KV", *(f"{c:,}" for c in contexts))
    for fit in found:
        if fit.memory is None:
            continue
        slots = [f"{number:,}" if fit.fits else "-" for _, number in fit.slots]
        table.add_row(
            fit.gpu.spec.name, str(fit.engine.gpus), f"{fit.memory.weights / GIB:.1f}",
            f"{fit.memory.kv / GIB:.1f}" if fit.fits else "-", *slots,
        )  # fmt: skip
    split = [fit for fit in found if fit.memory is None]
    notes = dict.fromkeys(f"{fit.engine.gpus} GPUs: {fit.reason}" for fit in split)
    return Group(
        line(imported_line(llm), width, "bold"),
        section("GiB on each GPU, and most sequences of a replica by their context", table),
        *([] if all(fit.fits for fit in found) else [line("-: the model does not fit", width)]),
        *(line(text, width) for text in notes),
    )


def fits_to_dict(llm: LlmSpec, found: Sequence[Fit]) -> dict[str, Any]:
    """The JSON form."""
    return {"schema": SCHEMA, "model": llm.name, "fits": [_entry(fit) for fit in found]}


def fit_rows(found: Sequence[Fit]) -> list[dict[str, Any]]:
    """One row for each GPU type, way to run the model and context."""
    return [
        {**{k: v for k, v in _entry(fit).items() if k != "slots"},
         "context_tokens": context, "slots": slots}
        for fit in found
        for context, slots in fit.slots or ((None, None),)
    ]  # fmt: skip


def _entry(fit: Fit) -> dict[str, Any]:
    held = fit.memory
    return {
        "gpu": fit.gpu.spec.name,
        "gpus": fit.engine.gpus,
        "tp": fit.engine.tp,
        "fits": fit.fits,
        "reason": fit.reason,
        "weights_gib": held.weights / GIB if held else None,
        "kv_gib": held.kv / GIB if held else None,
        "kv_tokens": held.kv_tokens if held else None,
        "slots": [{"context_tokens": context, "slots": slots} for context, slots in fit.slots],
    }
