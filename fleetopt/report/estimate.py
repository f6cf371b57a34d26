"""What AIConfigurator estimates, and the coefficients fitted to it, as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetopt.performance.aiconfigurator import Estimate
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group

SCHEMA = "fleetopt.estimate/1"
_SHOWN = {"decode": "decodes", "prefill": "prefills", "mixed": "mixes both"}


def estimate_report(found: Estimate, width: int) -> Group:
    """Coefficients, every iteration beside what they give for it, and where it comes from."""
    time, fitted = found.fitted.iteration, found.fitted
    coefficients = (
        f"W {1e3 * time.base_s:.3f} ms, h {1e9 * time.per_context_token_s:.3f} ns, "
        f"F0 {1e3 * time.prefill_base_s:.3f} ms, F1 {1e6 * time.prefill_per_token_s:.3f} µs; "
        f"{found.memory.kv_tokens:,} tokens of KV"
    )
    table = columns("iteration", "sequences", "prompt tokens", "estimated, ms", "fitted, ms",
                    "error")  # fmt: skip
    for row in estimate_rows(found):
        table.add_row(
            _SHOWN[row["iteration"]], f"{row['sequences']:,.0f}", f"{row['prompt_tokens']:,.0f}",
            f"{row['estimated_ms']:.2f}", f"{row['fitted_ms']:.2f}", f"{100 * row['error']:+.1f} %",
        )  # fmt: skip
    worst = max((abs(mixed.error) for mixed in found.mixed), default=0.0)
    trust = [
        f"The coefficients are at most {wording.share(fitted.decode_departure)} from the "
        f"iterations that decode and {wording.share(fitted.prefill_departure)} from those that "
        f"prefill, which they were fitted to, and {wording.share(worst)} from those that do both.",
        "These are estimates and not measured runs: measure before you buy.",
    ]
    if found.unmeasured:
        trust.append(f"Kernels without measurements are estimated ({', '.join(found.unmeasured)}).")
    return Group(
        line(f"{found.deployment.name}, {found.software} {found.version}", width, "bold"),
        line(coefficients, width),
        section(f"Iterations, {found.deployment.engine.mean_context_tokens:,} tokens each", table),
        section("How far to trust it", *(line(text, width) for text in trust)),
        line(f"Source: {found.source}.", width),
    )


def estimate_rows(found: Estimate) -> list[dict[str, Any]]:
    """One row for each iteration that AIConfigurator was asked for."""
    return list(_rows(found))


def estimate_to_dict(found: Estimate, name: str) -> dict[str, Any]:
    """The JSON form; `profile` is the profile as a problem states it."""
    return {
        "schema": SCHEMA,
        "profile": profile_keys(found, name),
        "source": found.source,
        "unmeasured": list(found.unmeasured),
        "decode_departure": found.fitted.decode_departure,
        "prefill_departure": found.fitted.prefill_departure,
        "iterations": estimate_rows(found),
    }


def profile_keys(found: Estimate, name: str) -> dict[str, Any]:
    """The profile as a problem states it."""
    return found.spec(name).model_dump(exclude_none=True, exclude_defaults=True)


def _rows(found: Estimate) -> Iterator[dict[str, Any]]:
    time, context = found.fitted.iteration, found.deployment.engine.mean_context_tokens
    for n, seconds in found.fitted.decodes:
        yield _row("decode", n, 0, seconds, time.seconds(n * context))
    for tokens, seconds in found.fitted.prefills:
        yield _row("prefill", 0, tokens, seconds, time.seconds(0.0, tokens))
    for mixed in found.mixed:
        yield _row("mixed", mixed.sequences, mixed.prompt_tokens, mixed.seconds, mixed.fitted_s)


def _row(kind: str, n: float, tokens: float, seconds: float, fitted_s: float) -> dict[str, Any]:
    return {
        "iteration": kind, "sequences": n, "prompt_tokens": tokens,
        "estimated_ms": 1e3 * seconds, "fitted_ms": 1e3 * fitted_s,
        "error": fitted_s / seconds - 1.0,
    }  # fmt: skip
