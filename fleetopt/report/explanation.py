"""Why a fleet misses, as text, JSON and CSV: the answer first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.plan import Interval
from fleetopt.questions.explain import Cause, Explanation, Finding
from fleetopt.questions.explain.answer import Remedy, Removal
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout, Table
from fleetopt.report.simulation import fleet_in_words, traffic_in_words

SCHEMA = "fleetopt.explanation/1"
_OVERLAP = 0.1
"""By how much the removals may miss 100 % before they are said to overlap."""
_MADE = (Cause.WAIT, Cause.INTERFERENCE)
"""Parts of the time that other requests make."""
_SEVERAL, _CLUSTERED = 4, 0.5
"""Runs from which, and share of the misses in one of them from which, these are clustered."""
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


def answer_in_words(found: Explanation) -> str:
    """The cause and its share in a sentence or two."""
    one = found.answer
    if one.standing == "pass":
        return f"{_kept(one)} {_binds_first(found)}"
    return f"{_kept(one)} {_cause(found)}"


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
        yield section(f"One cause removed at a time{_where(one)}: {_examined(one)}", _removals(one))
        yield section("Where their time went", *(line(text, width) for text in _parts(one)))
        yield section("Their lengths", _bands(one))
    if found.remedies:
        title = "How near it is" if one.standing == "pass" else "What would mend it"
        yield section(f"{title}, on the same requests", _remedies(found))
    notes = list(_notes(found))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _kept(one: Finding) -> str:
    words = {
        "pass": "Keeps the SLO",
        "fail": "Misses the SLO",
        "inconclusive": "Open whether it keeps the SLO",
        "too short": "Too short to tell",
        "unstable": "Unstable",
    }[one.standing]
    limit = f"{one.bound.metric.upper()} {one.bound.limit_ms:,g}{_NO_BREAK}ms"
    wanted = f"{one.bound.percentile:g}{_NO_BREAK}% wanted"
    return (
        f"{words}{_where(one)}: {wording.attainment(one.attained)} of the arrivals within "
        f"{limit}, {wanted}."
    )


def _where(one: Finding) -> str:
    return f" in {one.pool}" if one.pool else ""


def _cause(found: Explanation) -> str:
    one = found.answer
    if one.cause is None:
        return "Nothing is missed."
    text = f"The cause is {_named(one.cause, one)}"
    if one.cause is Cause.INSTABILITY:
        growth = sum(
            pool.backlog_per_s for pool in found.simulation.pools
            if pool.unstable and pool.name in (one.pool, "" if one.pool else pool.name)
        )  # fmt: skip
        text += f" (the line grows by {growth:,.3g} requests per second)"
    won = one.binding.won_back if one.binding else Interval(None, None, None)
    if won.estimate is None:
        return f"{text}."
    return f"{text}: without it {_won(won)} of {_these(one)} are won back."


def _binds_first(found: Explanation) -> str:
    one = found.answer
    short = next((r for r in found.remedies if r.standing != "pass"), None)
    today = ""
    if one.cause is not None:
        today = f" Now {_now(one)} are due to {one.cause}."
    if short is None or short.cause is None:
        return today.strip() or "Nothing is near its limit."
    paged = next((r for r in found.remedies if r.standing == "pass" and r.paged), None)
    mended = "; paged KV admission would keep it" if paged else ""
    return (
        f"With {short.changed} {wording.share(short.attained.estimate, 2)} is attained, and what "
        f"binds first is {short.cause}, the longest part of "
        f"{wording.share(short.leading[short.cause], 0)} of those misses{mended}.{today}"
    )


def _now(one: Finding) -> str:
    return f"its {_misses(one)}" if one.examined == "misses" else _misses(one)


def _these(one: Finding) -> str:
    return _misses(one) if one.examined == "slowest" else f"the {_misses(one)}"


def _misses(one: Finding) -> str:
    if one.examined == "slowest":
        return f"the slowest {100 - one.bound.percentile:g}{_NO_BREAK}% of the requests"
    return f"{one.examined_count:,} misses" if one.examined_count != 1 else "1 miss"


def _named(cause: Cause, one: Finding) -> str:
    """The cause, and what it is a reason of."""
    part = max(one.leading, key=lambda leading: one.leading[leading], default=cause)
    if cause in (Cause.BURST, Cause.ADMISSION, Cause.OUTAGE) and part in _MADE:
        return f"{cause}, through {part}"
    return str(cause)


def _examined(one: Finding) -> str:
    if one.examined == "misses":
        return f"what becomes of {_these(one)}"
    return (
        f"what becomes of {_misses(one)}, beyond {wording.milliseconds(one.limit_ms)}{_NO_BREAK}ms"
    )


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
            _won(removal.won_back),
        )
    table.add_row("nothing", "the fleet as it is", _as_is(one), "")
    return table


def _as_is(one: Finding) -> str:
    if one.examined == "misses":
        return wording.attainment(one.attained)
    return wording.share(one.bound.percentile / 100.0, 2)


def _won(won: Interval) -> str:
    text = wording.share(won.estimate, 1)
    if won.low is None or won.high is None:
        return text
    return f"{text}{_NO_BREAK}[{100 * won.low:.1f},{_NO_BREAK}{100 * won.high:.1f}]"


def _parts(one: Finding) -> Iterator[str]:
    for cause, mean in one.mean_ms.items():
        if mean > 0.0:
            lead = one.leading.get(cause, 0.0)
            yield (
                f"{cause}: {wording.milliseconds(mean)}{_NO_BREAK}ms on average, the longest part "
                f"of {wording.share(lead)} of them"
            )
    if Cause.WINDOW in one.leading:
        share = wording.share(one.leading[Cause.WINDOW])
        yield f"{share} of them do not fit the context window of their pool"
    if one.hopeless:
        share = wording.share(one.hopeless)
        yield f"{share} of them would be as late on an empty replica: more replicas cannot help"


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


def _notes(found: Explanation) -> Iterator[str]:
    one, scenario = found.answer, found.simulation.scenario
    together = one.won_back_together
    if one.examined_count and together > 1.0 + _OVERLAP:
        yield (
            f"the parts of the time overlap: taken away one at a time they win back "
            f"{wording.share(together, 0)} in all, since either of two wins the same request back"
        )
    if one.examined_count and together < 1.0 - _OVERLAP:
        yield (
            f"taken away one at a time the parts win back {wording.share(together, 0)} in all: "
            f"the rest needs more than one removed"
        )
    if one.examined == "slowest":
        yield (
            f"only {one.missed:,} of {one.arrivals:,} requests are beyond the bound, so the "
            f"slowest ones were examined"
        )
    runs = found.simulation.replications
    if one.examined == "misses" and runs >= _SEVERAL and one.clustered > _CLUSTERED:
        yield (
            f"{wording.share(one.clustered, 0)} of the misses fall into one of the {runs} runs: "
            f"congestion is rare and long, and a single run may show any of it or none"
        )
    longest = one.removal(Cause.LONG)
    if longest is not None and (longest.won_back.estimate or 0.0) >= _OVERLAP:
        yield (
            f"{_won(longest.won_back)} of those examined wait behind the longest 1{_NO_BREAK}% of "
            f"the requests, or are slowed by them"
        )
    if scenario.too_short:
        yield f"too short: {scenario.too_short}; raise --n-req or leave it out"
    yield from scenario.notes
    if found.simulation.replications == 1:
        yield "one run: the interval is over blocks of its time, and the count itself decides"


def _finding_dict(one: Finding) -> dict[str, Any]:
    plain = asdict(one)
    plain["bound"] = one.bound.model_dump()
    return plain


def _flat(key: str, value: Interval) -> dict[str, float | None]:
    return {key: value.estimate, f"{key}_low": value.low, f"{key}_high": value.high}
