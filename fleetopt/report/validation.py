"""Simulated against measured latencies, as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetopt.questions.validation import Compared, Errors, Validation
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout, Table

SCHEMA = "fleetopt.validation/1"
_SHOWN_FAULTS = 5
_OUTSIDE = 1.01
KEYS = {
    "GPU": lambda each: each.row.gpu.spec.name,
    "engine": lambda each: each.row.backend,
    "model": lambda each: each.row.llm.name,
    "regime": lambda each: each.regime,
    "group": lambda each: each.row.group,
}
"""What rows are grouped by."""
_WORDS = {"dense": "dense models", "moe": "models with experts", "saturated": "saturated"}


def validation_report(found: Validation, width: int) -> Group:
    """Errors overall, by group, and what was left out."""
    prior = "from the bundled ones, too" if found.prior else "from these measurements alone"
    parts: list[Layout] = [
        line(f"{len(found.rows):,} measured runs, each group predicted from the others, {prior}",
             width, "bold"),
        section("Median absolute errors", _table("rows", {
            _WORDS[name]: errors for name, errors in found.overall().items()})),
        section("Unsaturated rows by group", _table("group", found.by(KEYS["group"]))),
    ]  # fmt: skip
    parts += [line(text, width) for text in notes(found)]
    return Group(*parts)


def notes(found: Validation) -> list[str]:
    """What a reader has to know of the rows."""
    outside = [each for each in found.rows if each.outside > _OUTSIDE]
    told = []
    if outside:
        worst = max(each.outside for each in outside)
        far = "with an engine that no other group has" if worst == float("inf") else (
            f"up to {worst:.1f} times beyond the clients measured elsewhere")  # fmt: skip
        told.append(f"Extrapolated: {len(outside):,} rows, {far}.")
    if found.left_out:
        shown = "; ".join(str(fault) for fault in found.left_out[:_SHOWN_FAULTS])
        told.append(f"Left out: {len(found.left_out):,} lines, such as {shown}.")
    return told


def validation_to_dict(found: Validation) -> dict[str, Any]:
    """The JSON form; errors are relative, 0.1 is 10 %."""
    overall = {name: _entry(errors) for name, errors in found.overall().items()}
    return {
        "schema": SCHEMA,
        "measurements": str(found.measurements.source.path),
        "sha256": found.measurements.source.sha256,
        "rows": len(found.rows),
        "overall": overall,
        "flagged": {
            "saturated": found.overall()["saturated"].flagged,
            "unsaturated": found.unsaturated().flagged,
        },
        "groups": {name: _entry(e) for name, e in found.by(KEYS["group"]).items()},
        **{
            f"by_{key.lower()}": {name: _entry(e) for name, e in found.by(KEYS[key]).items()}
            for key in ("GPU", "engine", "model", "regime")
        },
        **{
            f"saturated_by_{key.lower()}": {
                name: _entry(e) for name, e in found.by(KEYS[key], saturated=True).items()
            }
            for key in ("GPU", "engine", "model")
        },
        "refines_bundled": found.prior,
        "extrapolated": sum(each.outside > _OUTSIDE for each in found.rows),
        "left_out": [str(fault) for fault in found.left_out],
    }


def validation_rows(found: Validation) -> list[dict[str, Any]]:
    """One row for each measured one."""
    return [_row(each) for each in found.rows]


def _row(each: Compared) -> dict[str, Any]:
    row = each.row
    return {
        "line": row.line, "group": row.group, "kind": row.kind, "gpus": row.engine.gpus,
        "weights": row.engine.weights, "prompt_tokens": row.prompt_tokens,
        "output_tokens": row.output_tokens, "clients": row.concurrency,
        "measured_ttft_ms": 1e3 * row.ttft_s, "simulated_ttft_ms": 1e3 * each.ttft_s,
        "measured_tpot_ms": 1e3 * row.tpot_s, "simulated_tpot_ms": 1e3 * each.tpot_s,
        "kv_fullness": each.fullness, "saturated": each.saturated, "flagged": each.flagged,
        "outside": each.outside if each.outside < float("inf") else None,
    }  # fmt: skip


def _entry(errors: Errors) -> dict[str, Any]:
    return {
        "n": errors.n,
        "tpot_median_abs_error": errors.tpot,
        "ttft_median_abs_error": errors.ttft,
        "tpot_median_error": errors.tpot_bias,
        "ttft_median_error": errors.ttft_bias,
        "flagged": errors.flagged,
    }


def _table(heading: str, found: Mapping[str, Errors]) -> Table:
    table = columns(heading, "rows", "TPOT", "bias", "TTFT", "bias", "flagged")
    for name, errors in found.items():
        table.add_row(
            name, f"{errors.n:,}", _percent(errors.tpot), _signed(errors.tpot_bias),
            _percent(errors.ttft), _signed(errors.ttft_bias), _percent(errors.flagged),
        )  # fmt: skip
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}".replace("%", " %")


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.0%}".replace("%", " %")
