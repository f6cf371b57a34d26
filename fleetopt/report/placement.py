"""Placements as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetopt.questions.placement import Placed, Placement
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout

SCHEMA = "fleetopt.placement/1"


def placement_report(found: Placement, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(found, width))


def placement_to_dict(found: Placement) -> dict[str, Any]:
    """The JSON form."""
    return {
        "schema": SCHEMA,
        "attainment": found.attainment,
        "slo_ttft_ms": found.ttft_ms,
        "slo_tpot_ms": found.tpot_ms,
        "max_gpus": found.max_gpus,
        "rows": placement_rows(found),
        "rule_rate": found.rule_rate,
        "placements_apart": found.considered,
        "notes": [note.replace(wording.NO_BREAK, " ") for note in found.notes],
    }


def placement_rows(found: Placement) -> list[dict[str, Any]]:
    """One flat row for each placement."""
    return [
        {
            "kind": kind,
            "prefill": placed.prefill,
            "n_prefill": placed.n_prefill,
            "decode": placed.decode,
            "n_decode": placed.n_decode,
            "gpus": placed.gpus,
            "usd_per_hour": placed.usd_per_hour,
            "requests_per_s": placed.rate,
            "requests_per_s_of_gpu": placed.goodput,
            "attained": placed.attained.estimate if placed.attained else None,
            "attained_low": placed.attained.low if placed.attained else None,
            "attained_high": placed.attained.high if placed.attained else None,
        }
        for kind, placed in _kinds(found)
    ]


def _kinds(found: Placement) -> Iterator[tuple[str, Placed]]:
    for kind in ("apart", "together", "rule"):
        placed = getattr(found, kind)
        if placed is not None:
            yield kind, placed


def _sections(found: Placement, width: int) -> Iterator[Layout]:
    best = found.best
    if best is None:
        yield line("Simulation refuses every placement near the rate of the tables.", width, "bold")
    else:
        yield line(f"{best.text}: {best.goodput:.3g} req/s of a GPU", width, "bold")
    share = f"{100 * found.attainment:g} %"
    bounds = f"a TTFT of {found.ttft_ms:g} ms and a TPOT of {found.tpot_ms:g} ms"
    yield line(f"{share} of the requests keep {bounds}, on at most {found.max_gpus} GPUs", width)
    table = columns("placement", "GPUs", "req/s", "req/s\nof a GPU", "in time, simulated", left=1)
    for _, placed in _kinds(found):
        table.add_row(
            placed.text, f"{placed.gpus}", f"{placed.rate:.3g}", f"{placed.goodput:.3g}",
            _attained(placed),
        )  # fmt: skip
    yield section("Placements", table)
    yield section("Notes", *(line(note, width) for note in _notes(found)))


def _attained(placed: Placed) -> str:
    found = placed.attained
    if found is None or found.estimate is None or found.low is None or found.high is None:
        return "-"
    return f"{100 * found.estimate:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _notes(found: Placement) -> Iterator[str]:
    yield (
        f"{found.considered:,} placements with both phases apart; the rate of {found.tried} was "
        "computed, the others cannot beat it"
    )
    if found.rule is not None:
        rule = found.rule
        yield (
            f"AIConfigurator's rule of mean rates takes {rule.text} and promises "
            f"{found.rule_rate:.3g} req/s; by the tables enough requests are in time up to "
            f"{rule.rate:.3g}"
        )
    yield from found.notes
