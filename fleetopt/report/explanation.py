"""Why a fleet misses, as text, JSON and CSV: the answer first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.plan import Interval
from fleetopt.questions.explain import Explanation, Finding
from fleetopt.questions.explain.answer import Remedy, Removal
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.explanation_words import (
    answer_in_words,
    examined_in_words,
    note_lines,
    part_lines,
    where_in_words,
    won_in_words,
)
from fleetopt.report.layout import Group, Layout, Table
from fleetopt.report.simulation import fleet_in_words, traffic_in_words

SCHEMA = "fleetopt.explanation/1"
_NO_BREAK = wording.NO_BREAK


def explanation_report(found: Explanation, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(found, width))


def explanation_to_dict(found: Explanation) -> dict[str, Any]:
    """The JSON form."""
    scenario = found.simulation.scenario
    return {
        "schema": SCHEMA,
        "answer": answer_in_words(found).replace(_NO_BREAK, " "),
        "scope": found.scope,
        "worst": found.worst,
        "findings": [_finding_dict(one) for one in found.findings],
        "remedies": [{**asdict(one), "cause": one.cause} for one in found.remedies],
        "router": scenario.stated.router.text,
        "arrival_rate": scenario.arrival_rate,
        "replications": found.simulation.replications,
        "warmup_s": scenario.horizon.warmup_s,
        "measured_s": scenario.horizon.measured_s,
        "too_short": scenario.too_short,
        "notes": [*scenario.notes],
        "sources": [
            {"path": str(source.path), "sha256": source.sha256} for source in scenario.sources
        ],
        "stated": scenario.stated.model_dump(mode="json", exclude_none=True),
    }


def explanation_rows(found: Explanation) -> list[dict[str, Any]]:
    """One flat row for each pool, bound and cause that was removed."""
    return [
        {
            "pool": one.pool or "all",
            "bound": one.bound.text,
            "standing": one.standing,
            "examined": one.examined,
            "limit_ms": one.limit_ms,
            "examined_count": one.examined_count,
            "binding": one.cause is removal.cause,
            "cause": str(removal.cause),
            "changed": removal.changed,
            **_flat("attained", removal.attained),
            **_flat("gained", removal.gained),
            **_flat("won_back", removal.won_back),
        }
        for one in found.findings
        for removal in one.removals
    ]


def by_share(one: Finding) -> list[Removal]:
    """The binding cause, then the others by what their removal wins back."""
    return sorted(
        one.removals,
        key=lambda removal: (removal.cause is not one.cause, -(removal.won_back.estimate or 0.0)),
    )


def _sections(found: Explanation, width: int) -> Iterator[Layout]:
    one, simulation = found.answer, found.simulation
    yield line(answer_in_words(found), width, "bold")
    yield line(f"{fleet_in_words(simulation)}; {traffic_in_words(simulation)}.", width)
    if len(found.findings) > 1:
        yield section("Pools and bounds", _findings(found))
    if one.removals and one.examined_count:
        yield section(
            f"One cause removed at a time{where_in_words(one)}: {examined_in_words(one)}",
            _removals(one),
        )
        yield section("Where their time went", *(line(text, width) for text in part_lines(one)))
        yield section("Their lengths", _bands(one))
    if found.remedies:
        title = "How near it is" if one.standing == "pass" else "What would mend it"
        yield section(f"{title}, on the same requests", _remedies(found))
    notes = list(note_lines(found))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _findings(found: Explanation) -> Table:
    table = columns(
        "pool", "bound", "standing", "attained", "value, ms", "misses", "cause", left=3, close=True
    )
    for one in found.findings:
        table.add_row(
            one.pool or "all",
            f"{one.bound.label} {one.bound.limit_ms:,g}",
            one.standing,
            wording.attainment(one.attained),
            wording.interval(one.value_ms),
            f"{one.missed:,}",
            str(one.cause or wording.NOTHING),
        )
    return table


def _removals(one: Finding) -> Table:
    table = columns("without", "what was changed", "within the limit", "won back", left=2,
                    wrapped="what was changed", close=True)  # fmt: skip
    for removal in by_share(one):
        mark = "* " if removal.cause is one.cause else ""
        table.add_row(
            f"{mark}{removal.cause}",
            removal.changed,
            wording.attainment(removal.attained),
            won_in_words(removal.won_back),
        )
    table.add_row("nothing", "the fleet as it is", _as_is(one), "")
    return table


def _as_is(one: Finding) -> str:
    if one.examined == "misses":
        return wording.attainment(one.attained)
    return wording.share(one.bound.percentile / 100.0, 2)


def _bands(one: Finding) -> Table:
    table = columns("total length, tokens", "requests", "share of\nrequests", "examined",
                    "share of\nexamined", "of the band")  # fmt: skip
    for band in one.by_total:
        table.add_row(
            wording.lengths(band.lo_tokens, band.hi_tokens),
            f"{band.arrivals:,}",
            wording.share(band.arrivals / one.arrivals, 2),
            f"{band.missed:,}",
            wording.share(band.missed / one.examined_count, 1),
            wording.share(band.missed / band.arrivals if band.arrivals else None, 2),
        )
    return table


def _remedies(found: Explanation) -> Table:
    table = columns("changed", "GPUs", "attained", "keeps it", "gained, points", "then misses by",
                    left=1, wrapped="changed", close=True)  # fmt: skip
    for one in found.remedies:
        table.add_row(
            one.changed,
            f"{one.gpus:,}",
            wording.share(one.attained.estimate, 2),
            {"pass": "yes", "fail": "no"}.get(one.standing, "open"),
            _points(one),
            str(one.cause or wording.NOTHING),
        )
    return table


def _points(one: Remedy) -> str:
    gained = one.gained
    if gained.estimate is None:
        return wording.NOTHING
    text = f"{100 * gained.estimate:+.2f}"
    if gained.low is None or gained.high is None:
        return text
    return f"{text}{_NO_BREAK}[{100 * gained.low:+.2f},{_NO_BREAK}{100 * gained.high:+.2f}]"


def _finding_dict(one: Finding) -> dict[str, Any]:
    plain = asdict(one)
    plain["bound"] = one.bound.model_dump()
    return plain


def _flat(key: str, value: Interval) -> dict[str, float | None]:
    return {key: value.estimate, f"{key}_low": value.low, f"{key}_high": value.high}
