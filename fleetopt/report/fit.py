"""Coefficients fitted to measured runs, as text, JSON, CSV and a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from fleetopt.errors import Fault
from fleetopt.performance.fit import Fit
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group

SCHEMA = "fleetopt.fit/1"


def fit_report(found: Fit, left_out: Sequence[Fault], warnings: Sequence[str], width: int) -> Group:
    """Coefficients, the error of every run, the measured range and what lies beyond it."""
    time = found.iteration
    apart = ("TTFT", "TPOT") if any(point.at_once for point in found.points) else ()
    table = columns("run", "prompt", "output", "clients", "E2E, s", "error", *apart)
    for row in fit_rows(found):
        table.add_row(
            row["run"], f"{row['prompt_tokens']:,.0f}", f"{row['output_tokens']:,.0f}",
            f"{row['clients']:,.0f}", f"{row['e2e_s']:.2f}", _percent(row["error"]),
            *(_percent(row[f"{name.lower()}_error"]) for name in apart),
        )  # fmt: skip
    coefficients = (
        f"W {1e3 * time.base_s:.3g} ms, h {1e9 * time.per_context_token_s:.3g} ns, "
        f"F0 {1e3 * time.prefill_base_s:.3g} ms, F1 {1e6 * time.prefill_per_token_s:.3g} µs; "
        f"median error {100 * found.median_error:.1f} %{_apart(found)}"
    )
    told = [f"{name} {low:,.0f} to {high:,.0f}" for name, (low, high) in found.measured.items()]
    notes = [f"Measured: {', '.join(told)}."]
    notes += [f"Beyond the measurements: {text}." for text in warnings]
    if left_out:
        notes.append(f"Left out: {len(left_out):,} runs, such as {left_out[0]}.")
    return Group(
        line(coefficients, width, "bold"),
        section("Runs", table),
        *(line(text, width) for text in notes),
    )


def fit_to_dict(found: Fit, left_out: Sequence[Fault], warnings: Sequence[str]) -> dict[str, Any]:
    """The JSON form."""
    time = found.iteration
    return {
        "schema": SCHEMA,
        "base_s": time.base_s,
        "per_context_token_s": time.per_context_token_s,
        "prefill_base_s": time.prefill_base_s,
        "prefill_per_token_s": time.prefill_per_token_s,
        "median_error": found.median_error,
        "measured": {name: list(span) for name, span in found.measured.items()},
        "warnings": list(warnings),
        "left_out": [str(fault) for fault in left_out],
        "runs": fit_rows(found),
    }


def fit_rows(found: Fit) -> list[dict[str, Any]]:
    """One row for each run."""
    return [
        {
            "run": point.place, "prompt_tokens": point.prompt_tokens,
            "output_tokens": point.output_tokens, "clients": point.clients,
            "e2e_s": point.e2e_s, "error": error, "ttft_error": ttft, "tpot_error": tpot,
        }
        for point, error, ttft, tpot in zip(
            found.points, found.errors, found.ttft_errors, found.tpot_errors, strict=True
        )
    ]  # fmt: skip


def profile_keys(found: Fit, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The profile as a problem states it.

    stated: name, gpu, gpus_per_replica, kv_tokens, max_num_seqs, usd_per_hour.
    """
    time = found.iteration
    return {
        "name": stated["name"],
        "gpu": stated["gpu"],
        "source": fit_source(found),
        "gpus_per_replica": stated["gpus_per_replica"],
        "base_s": time.base_s,
        "per_context_token_s": time.per_context_token_s,
        "prefill_base_s": time.prefill_base_s,
        "prefill_per_token_s": time.prefill_per_token_s,
        "context": time.context,
        "chunk_tokens": time.chunk_tokens,
        "token_budget": time.token_budget,
        "kv_tokens": stated["kv_tokens"],
        "max_num_seqs": stated["max_num_seqs"],
        "usd_per_hour": stated["usd_per_hour"],
    }


def fit_source(found: Fit) -> str:
    """What the coefficients were fitted to, and how far they are from it."""
    spans = ", ".join(f"{low:,.0f} to {high:,.0f} {name}"
                      for name, (low, high) in found.measured.items())  # fmt: skip
    error = f"median error {100 * found.median_error:.1f} %{_apart(found)}"
    return f"fit to {len(found.points)} measured runs ({spans}), {error}"


def _apart(found: Fit) -> str:
    """Median errors of the TTFT and the TPOT of batches, if there are any."""
    parts = (("TTFT", found.ttft_errors), ("TPOT", found.tpot_errors))
    told = {name: [abs(e) for e in errors if e is not None] for name, errors in parts}
    said = [f"{100 * median(errors):.1f} % of {name}" for name, errors in told.items() if errors]
    return f" ({', '.join(said)})" if said else ""


def _percent(error: float | None) -> str:
    return "" if error is None else f"{100 * error:+.1f} %"


def profile_toml(keys: Mapping[str, Any]) -> str:
    """A `[[profiles]]` table for a problem file."""
    lines = [f"{key} = {_toml(value)}" for key, value in keys.items()]
    return "\n".join(["[[profiles]]", *lines]) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return f"{{ {inside} }}"
    return repr(value)
