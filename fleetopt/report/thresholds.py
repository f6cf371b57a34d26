"""Where to split, as text, JSON and CSV: the recommendation first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetopt.questions.two_pools import SimulatedSplit, Threshold, Thresholds
from fleetopt.report import wording
from fleetopt.report.console import columns, first_fitting, line, section
from fleetopt.report.layout import Group, Layout, Table
from fleetopt.report.two_pools import (
    asked_to_dict,
    mark,
    p99_cells,
    p99_in_words,
    percent,
    question,
    simulated_to_dict,
    split_in_words,
    split_to_dict,
    yearly,
)

SCHEMA = "fleetopt.thresholds/1"


def thresholds_report(found: Thresholds, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(found, width))


def thresholds_to_dict(found: Thresholds) -> dict[str, Any]:
    """The JSON form; the rows have the published names, and more beside them."""
    best = found.recommended
    return {
        "schema": SCHEMA,
        "question": asked_to_dict(found.asked),
        "one_pool": _row(found.one_pool),
        "recommended": None if best in (None, found.one_pool) else best.split.b_short,
        "recommendation": [text.replace(wording.NO_BREAK, " ") for text in recommendation(found)],
        "rows": [_row(row) for row in found.rows],
        "own": _row(found.own) if found.own else None,
    }


def threshold_rows(found: Thresholds) -> list[dict[str, Any]]:
    """One flat row for each split."""
    return [_row(row) for row in found.rows]


def recommendation(found: Thresholds) -> Iterator[str]:
    """What one pool costs, which split to choose, what it saves, and why not its neighbours."""
    whole, best = found.one_pool, found.recommended
    one = split_in_words(whole.found, found.asked, one_pool=True)
    kept = "keeps" if whole.found.meets else "misses"
    yield f"One pool for all requests: {one}; it {kept} the SLO at {_p99(whole)}."
    if best is None:
        yield _nothing(found)
    elif best is whole:
        yield "Do not split: no split that keeps the SLO costs less."
    else:
        fleet = split_in_words(best.found, found.asked)
        saved = whole.found.usd_per_year - best.found.usd_per_year
        share = 100.0 * saved / whole.found.usd_per_year
        gain = f"saves {yearly(saved)} ({share:.1f}{wording.NO_BREAK}%)"
        yield f"Split at {best.split.b_short:,} tokens: {fleet}, P99 TTFT {_p99(best)}; {gain}."
        for row in found.neighbours:
            yield f"Not at {row.split.b_short:,}: {_why_not(row, best, found)}."
    if found.own and found.own is not best:
        text = split_in_words(found.own.found, found.asked)
        why = _why_not(found.own, best or found.own, found)
        yield f"Your split at {found.own.split.b_short:,}: {text}; {why}."


def _sections(found: Thresholds, width: int) -> Iterator[Layout]:
    first, *rest = recommendation(found)
    yield line(first, width, "bold")
    yield from (line(text, width, "bold" if i == 0 else "") for i, text in enumerate(rest))
    tables = (_table(found), _table(found, close=True))
    yield section(f"Splits: {question(found.asked)}", first_fitting(width, *tables))
    yield section("Notes", *(line(note, width) for note in _notes(found)))


def _table(found: Thresholds, *, close: bool = False) -> Table:
    simulated = found.one_pool.simulated is not None
    by_table = ["P99 short\nms", "P99 long\nms", "SLO", ""]
    judged = ["simulated", "P99 short\nms", "P99 long\nms", "verdict"]
    table = columns(
        "split at\ntokens", "share\nshort", "short\n+ long", "cost\n$/yr", "saving",
        *(judged if simulated else by_table), left=0, close=close,
    )  # fmt: skip
    for row in found.rows:
        star = "*" if row.pareto else ""
        cells = [
            f"{row.split.b_short:,}",
            wording.share(row.alpha),
            f"{row.split.n_short:,} + {row.split.n_long:,}",
            wording.money(row.split.usd_per_year) if row.split.pools else wording.NOTHING,
            percent(row.saving_pct),
        ]
        if simulated:
            cells += _judged(row.simulated)
        else:
            cells += [*p99_cells(row.split), mark(row.split.meets), star]
        table.add_row(*cells, style="bold" if row is found.recommended else "")
    return table


def _judged(seen: SimulatedSplit | None) -> tuple[str, ...]:
    """What the simulator says of a split."""
    if seen is None or not seen.pools:
        return ("none", wording.NOTHING, wording.NOTHING, seen.verdict if seen else wording.NOTHING)
    return (f"{seen.n_short:,} + {seen.n_long:,}", *p99_cells(seen), seen.verdict)


def _notes(found: Thresholds) -> Iterator[str]:
    if found.one_pool.simulated is None:
        yield "* no other split costs less and has a lower worst P99"
    yield f"savings are against one pool of {found.asked.long.name}"
    if found.asked.method == "published":
        yield "counts and percentiles are the published method's; --simulate shows what they hold"
    elif found.one_pool.simulated is None:
        yield "by the tables; --simulate verifies every split"
    else:
        yield "counts and costs on the left are by the tables"
    for row in found.rows:
        if row.split.why:
            yield f"{row.split.b_short:,}: {row.split.why}"


def _p99(row: Threshold) -> str:
    said = "simulated" if row.simulated else "by the tables"
    return f"{p99_in_words(row.found)} {said}"


def _nothing(found: Thresholds) -> str:
    rows = [row for row in found.rows if row.found.pools]
    if not rows:
        return "No split has a fleet."
    fastest = min(rows, key=lambda row: row.found.worst_p99_ms)
    return (
        f"No split keeps the SLO on these GPUs; the fastest is at {fastest.split.b_short:,} "
        f"tokens, P99 TTFT {_p99(fastest)}."
    )


def _why_not(row: Threshold, best: Threshold, found: Thresholds) -> str:
    """Why a split is not the recommended one."""
    if not row.found.pools:
        return f"no fleet; {row.found.why}"
    if not row.found.meets:
        return f"misses the SLO, P99 TTFT {_p99(row)}"
    more = row.found.usd_per_year - best.found.usd_per_year
    if more > 0.5:
        fleet = split_in_words(row.found, found.asked).rsplit(",", 1)[0]
        return f"{yearly(more)} more, for {fleet}"
    if row is best:
        return "the recommended one"
    return f"it costs the same and its worst P99 is {p99_in_words(row.found)}"


def _row(row: Threshold) -> dict[str, Any]:
    split = split_to_dict(row.split)
    why = split.pop("why")
    head = {key: split.pop(key) for key in ("b_short", "gamma")}
    return {
        **head,
        "alpha": row.alpha,
        **split,
        "saving_pct": row.saving_pct,
        "pareto": row.pareto,
        "why": why,
        **simulated_to_dict(row.simulated),
    }
