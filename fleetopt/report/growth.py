"""When GPUs have to be added, as text, JSON and CSV: the answer first, then every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fleetopt.questions.whatif import GrowingFleet, SizedFleet, Step
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout, Table

if TYPE_CHECKING:
    from fleetopt.questions.whatif.checking import CheckedSize

SCHEMA = "fleetopt.whatif/1"
MOST_LINES = 60
"""Steps that the readable report lists; JSON and CSV have them all."""

Checked = Sequence["CheckedSize"]


def growth_report(growing: GrowingFleet, checked: Checked | None, width: int) -> Group:
    """The whole report; checked: what simulation says of the thresholds, None if not asked."""
    return Group(*_sections(growing, checked, width))


def growth_to_dict(growing: GrowingFleet, checked: Checked | None) -> dict[str, Any]:
    """The JSON form."""
    traffic, gpus = growing.factors
    return {
        "schema": SCHEMA,
        "rows": growth_rows(growing),
        "steps": [_step(growing, step) for step in growing.steps],
        "growth": {"lam_factor": traffic, "gpus_factor": gpus},
        "checked": None if checked is None else [_checked(size) for size in checked],
        "notes": list(_notes(growing)),
        "question": growing.stated.model_dump(mode="json", exclude_none=True),
    }


def growth_rows(growing: GrowingFleet) -> list[dict[str, Any]]:
    """One flat row for each arrival rate that was asked for."""
    return [_row(growing, fleet) for fleet in growing.fleets]


def _row(growing: GrowingFleet, fleet: SizedFleet) -> dict[str, Any]:
    split, before = fleet.split, fleet.add_before_lam
    return {
        "lam": fleet.lam,
        "gpus": split.gpus,
        "usd_per_year": split.usd_per_year,
        "add_before_lam": before,
        "add_before_date": None if before is None else _iso(growing, before),
        "grows": "+".join(fleet.grows) or None,
        "limit": fleet.limit or None,
        "n_short": split.n_short,
        "n_long": split.n_long,
        "p99_short_ms": split.p99_short_ms if split.short else None,
        "p99_long_ms": split.p99_long_ms if split.long else None,
        "slo_met": split.meets,
    }


def _step(growing: GrowingFleet, step: Step) -> dict[str, Any]:
    return {
        "from_lam": step.from_lam,
        "until_lam": step.until_lam,
        "until_date": _iso(growing, step.until_lam),
        "n_short": step.replicas.get("short", 0),
        "n_long": step.replicas.get("long", 0),
        "gpus": step.gpus,
        "usd_per_year": step.usd_per_year,
        "grows": "+".join(step.grows),
    }


def _checked(size: CheckedSize) -> dict[str, Any]:
    return {**asdict(size), "runs_into_cap": size.runs_into_cap, "holds": size.holds}


def _iso(growing: GrowingFleet, lam: float) -> str | None:
    day = growing.day_of(lam)
    return None if day is None else day.isoformat()


def _sections(growing: GrowingFleet, checked: Checked | None, width: int) -> Iterator[Layout]:
    answer, *rest = _answer(growing)
    yield line(answer, width, "bold")
    yield from (line(text, width) for text in rest)
    yield section("Least fleets", _fleets(growing))
    if len(growing.steps) > 1:
        yield section(f"Every step from {_range(growing)} requests per second", _steps(growing))
    if checked is not None:
        yield section("In the simulator, at 0.98 and 1.05 of what each pool carries",
                      line(_said(checked), width), _sizes(checked))  # fmt: skip
    notes = list(_notes(growing))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _answer(growing: GrowingFleet) -> Iterator[str]:
    now = min(growing.fleets, key=lambda fleet: abs(fleet.lam - growing.stated.today))
    if now.add_before_lam is None:
        yield f"No number of replicas of the {_and(growing.hopeless)} pool keeps the bound."
        return
    fleet = f"{wording.counted(now.split.gpus, 'GPU')} ({_sizes_of(now)})"
    day = _when(growing, now.add_before_lam)
    yield (
        f"At {wording.rate(now.lam)} requests per second {fleet} are enough; add to the "
        f"{_and(now.grows)} pool before {wording.rate(now.add_before_lam)}{day}."
    )
    yield f"Held back there by: {now.limit}."
    if len(growing.fleets) > 1:
        traffic, gpus = growing.factors
        yield f"{traffic:.3g} times the requests take {gpus:.3g} times the GPUs."


def _when(growing: GrowingFleet, lam: float) -> str:
    """The date on which an arrival rate is reached, or that none comes; empty without growth."""
    growth = growing.stated.growth
    if growth is None:
        return ""
    days = growing.days_until(lam)
    if days is None:
        return f", which never comes at a growth of {growth.text}"
    day = growing.day_of(lam)
    if day is not None:
        return f", on {day.isoformat()} at a growth of {growth.text}"
    beyond = growing.stated.start is not None
    return f", after the year 9999 at {growth.text}" if beyond else f", in {_days(days)}"


def _days(days: float) -> str:
    return f"{days:,.0f}{wording.NO_BREAK}days"


def _day(growing: GrowingFleet, lam: float) -> str:
    """The date in a table, or the days until then."""
    days, day = growing.days_until(lam), growing.day_of(lam)
    if days is None:
        return "never"
    return _days(days) if day is None else day.isoformat()


def _fleets(growing: GrowingFleet) -> Table:
    dated = ["date"] if growing.stated.growth else []
    table = columns(
        "req/s", "short", "long", "GPUs", "$/yr", "P99 TTFT\nshort, ms", "P99 TTFT\nlong, ms",
        "SLO", "add before\nreq/s", *dated, "to", left=0, close=True,
    )  # fmt: skip
    for fleet in growing.fleets:
        split, before = fleet.split, fleet.add_before_lam
        table.add_row(
            wording.rate(fleet.lam),
            f"{split.n_short:,}",
            f"{split.n_long:,}",
            f"{split.gpus:,}",
            wording.money(split.usd_per_year),
            wording.milliseconds(split.p99_short_ms) if split.short else wording.NOTHING,
            wording.milliseconds(split.p99_long_ms) if split.long else wording.NOTHING,
            "kept" if split.meets else "missed",
            wording.rate(before),
            *([wording.NOTHING if before is None else _day(growing, before)] if dated else []),
            _and(fleet.grows) or wording.NOTHING,
        )
    return table


def _steps(growing: GrowingFleet) -> Table:
    dated = ["until"] if growing.stated.growth else []
    table = columns(
        "from\nreq/s", "up to\nreq/s", *dated, "short", "long", "GPUs", "$/yr", "then add to",
        left=0, close=True,
    )  # fmt: skip
    for step in growing.steps[:MOST_LINES]:
        table.add_row(
            wording.rate(step.from_lam),
            wording.rate(step.until_lam),
            *([_day(growing, step.until_lam)] if dated else []),
            f"{step.replicas.get('short', 0):,}",
            f"{step.replicas.get('long', 0):,}",
            f"{step.gpus:,}",
            wording.money(step.usd_per_year),
            _and(step.grows),
        )
    return table


def _sizes(checked: Checked) -> Table:
    table = columns(
        "pool", "GPU", "replicas", "carries\nreq/s", "held back by", "P99 TTFT\nbelow, ms", "below",
        "P99 TTFT\nabove, ms", "above", left=2, wrapped="held back by", close=True,
    )  # fmt: skip
    for size in checked:
        table.add_row(
            size.pool, size.gpu, f"{size.replicas:,}", wording.rate(size.rate), size.limit,
            wording.interval(size.below.p99_ttft_ms), size.below.verdict,
            wording.interval(size.above.p99_ttft_ms), size.words,
            style="" if size.holds else "red",
        )  # fmt: skip
    return table


def _said(checked: Checked) -> str:
    held = sum(size.holds for size in checked)
    text = (
        f"{held} of {wording.counted(len(checked), 'size')} pass below, and fail above or run "
        "into the utilization cap"
    )
    wrong = [f"{s.replicas} {s.gpu} ({s.pool})" for s in checked if not s.holds]
    return text + (f"; not so: {', '.join(wrong)}." if wrong else ".")


def _notes(growing: GrowingFleet) -> Iterator[str]:
    yield from growing.notes
    if not growing.steps and not growing.hopeless:
        yield "the range has too many steps to list; each row's own threshold is exact"
    if len(growing.steps) > MOST_LINES:
        left = len(growing.steps) - MOST_LINES
        yield f"{wording.counted(left, 'more step')} are in --format json"


def _sizes_of(fleet: SizedFleet) -> str:
    both = ((fleet.split.n_short, "short"), (fleet.split.n_long, "long"))
    return " and ".join(f"{n:,} {name}" for n, name in both if n)


def _range(growing: GrowingFleet) -> str:
    ends = growing.steps[0].from_lam, min(growing.steps[-1].until_lam, max(growing.stated.rates))
    return " to ".join(wording.rate(end) for end in ends)


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)
