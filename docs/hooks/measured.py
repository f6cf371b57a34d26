"""Tables of recorded measurements; the files are written by the commands that measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "measured"


def speed() -> str:
    """What `python -m benchmarks --json docs/measured/benchmarks.json` recorded."""
    report = _read("benchmarks.json")
    parts = [_subject(name, figures) for name, figures in report["subjects"].items()]
    said = f"Measured with fleetopt {report['version']}, Python {report['python']}, 2 cores."
    return "\n\n".join([said, *parts])


def accuracy() -> str:
    """What `python -m benchmarks.accuracy --json docs/measured/accuracy.json` recorded."""
    compared = _read("accuracy.json")
    tables = [
        f"### P99 {metric.upper()}\n\n" + _accuracy([c for c in compared if c["metric"] == metric])
        for metric in ("ttft", "tpot")
    ]
    return "\n\n".join(tables)


def prefill_accuracy() -> str:
    """What `python -m benchmarks.prefill --json docs/measured/prefill.json` recorded."""
    compared = _read("prefill.json")
    names = ("pool", "utilization", "P99 TTFT, ms: table", "simulated", "error",
             "P99 TPOT, ms: table", "simulated", "error")  # fmt: skip
    rows = [
        f"| {_computed(ttft['pool'])} | {ttft['utilization']:.2f} "
        f"| {_mark(ttft)}{_both(ttft)} | {_both(tpot)} |"
        for ttft, tpot in zip(compared[::2], compared[1::2], strict=True)
    ]
    return "\n".join([f"| {' | '.join(names)} |", "| --- " * len(names) + "|", *rows])


def prefill_errors() -> str:
    """Median and worst error of the recorded rows on computed profiles that are not marked."""
    compared = [c for c in _read("prefill.json") if not _mark(c)]
    said = []
    for metric in ("ttft", "tpot"):
        found = sorted(abs(_error(c)) for c in compared if c["metric"] == metric)
        middle = 0.5 * (found[(len(found) - 1) // 2] + found[len(found) // 2])
        said.append(
            f"P99 of {metric.upper()}: median {100 * middle:.1f} %, worst {100 * found[-1]:.1f} % "
            f"({len(found)} pools)"
        )
    return "; ".join(said) + "."


def _both(c: dict[str, Any]) -> str:
    half = c["high_ms"] - c["simulated_ms"]
    simulated = f"{c['simulated_ms']:,.1f} ± {half:,.1f}"
    return f"{c['table_ms']:,.1f} | {simulated} | {100 * _error(c):+.1f} %"


def _error(c: dict[str, Any]) -> float:
    return float(c["table_ms"] / c["simulated_ms"] - 1.0)


def _computed(pool: dict[str, Any]) -> str:
    lengths = f"{pool['lo_tokens']:,} to {pool['hi_tokens']:,}"
    machine = f"{pool['replicas']} × {pool['llm']} on {pool['tp']} {pool['gpu']}"
    engine = f"{pool['token_budget']:,} tokens, {pool['admission']}"
    return f"{pool['workload']}, {lengths}, {machine}, {engine}, {pool['arrival_rate']:.4g} req/s"


def published_percentiles() -> str:
    """The recorded P99 TTFT of ordinary pools beside what the published method says of them."""
    compared = [c for c in _read("accuracy.json") if c["metric"] == "ttft" and not _mark(c)]
    head = "| pool | published method, ms | simulated, ms | times too low |"
    rows = [
        f"| {_pool(c['pool'])} | {_published(c)} | {c['simulated_ms']:,.1f} "
        f"| {c['simulated_ms'] / c['published_ms']:.1f} |"
        for c in compared
        if c["published_ms"]
    ]
    return "\n".join([head, "| --- | --- | --- | --- |", *rows])


def trace_fleets() -> str:
    """What `python docs/record.py trace` recorded of one fleet, at Poisson arrivals and not."""
    names = ("traffic", "replicas", "utilization", "P99 TTFT, ms", "P99 TPOT, ms",
             "worst bound kept", "verdict")  # fmt: skip
    head = f"| {' | '.join(names)} |"
    rows = [
        f"| {row['traffic']} | {row['replicas']} | {100 * row['utilization']:.1f} % "
        f"| {row['p99_ttft_ms']:,.0f} | {row['p99_tpot_ms']:.1f} "
        f"| {100 * row['attainment']:.2f} % | {row['verdict']} |"
        for row in _read("code_trace.json")
    ]
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- |", *rows])


def reliability() -> str:
    """What `python docs/record.py reliability` recorded of both rules where nodes fail."""
    names = ("A", "rule", "bought for 13", "too few up, of the time", "requests within 500 ms")
    head = f"| {' | '.join(names)} |"
    rows = [
        f"| {100 * row['availability']:.2f} % | {row['rule']} | {row['bought']} "
        f"| {100 * row['short']:.2g} % | {_within(row['attained'])} |"
        for row in _read("reliability.json")
    ]
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])


def _within(share: dict[str, float]) -> str:
    estimate, low, high = (100 * share[end] for end in ("estimate", "low", "high"))
    return f"{estimate:.2f} % [{low:.2f}, {high:.2f}]"


def ttft_table() -> str:
    """The recorded TTFT comparisons alone."""
    return _accuracy([c for c in _read("accuracy.json") if c["metric"] == "ttft"])


def accuracy_rows(compared: list[dict[str, Any]]) -> list[str]:
    """One line of a Markdown table for each comparison."""
    return [
        f"| {_pool(c['pool'])} | {c['utilization']:.2f} | {_mark(c)}{c['table_ms']:,.1f} "
        f"| {c['simulated_ms']:,.1f} [{c['low_ms']:,.1f}, {c['high_ms']:,.1f}] "
        f"| {100 * (c['table_ms'] / c['simulated_ms'] - 1):+.1f} % | {_published(c)} |"
        for c in compared
    ]


def _accuracy(compared: list[dict[str, Any]]) -> str:
    head = "| pool | utilization | table, ms | simulated, ms | error | published method, ms |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *accuracy_rows(compared)])


def _pool(pool: dict[str, Any]) -> str:
    lengths = f"{pool['lo_tokens']:,} to {pool['hi_tokens']:,}"
    machines = f"{pool['replicas']} {pool['gpu']}"
    return f"{pool['workload']}, {lengths}, {machines}, {pool['arrival_rate']:g} req/s"


def _mark(comparison: dict[str, Any]) -> str:
    return "† " if comparison["method"] in ("two-class chain", "slot wait") else ""


def _published(comparison: dict[str, Any]) -> str:
    value = comparison["published_ms"]
    return "–" if value is None else f"{value:,.1f}"


def _subject(name: str, figures: list[dict[str, Any]]) -> str:
    rows = [
        f"| {figure['name']} | {_number(figure['value'])} {figure['unit']} | {_target(figure)} |"
        for figure in figures
    ]
    head = f"## {name.capitalize()}\n\n| what | measured | target |\n| --- | --- | --- |"
    return "\n".join([head, *rows])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _target(figure: dict[str, Any]) -> str:
    target = figure["target"]
    if target is None:
        return ""
    word = "" if figure["holds"] else ", missed"
    return f"{target['direction']} {_number(target['value'])}{word}"


def _read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())
