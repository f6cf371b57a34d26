"""Phases apart by the program as text, JSON and CSV, with the published counts beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleetopt.plan import Interval, Plan
from fleetopt.questions.disaggregation import Pair
from fleetopt.questions.disaggregation.designed import Designed, DesignedPhases
from fleetopt.questions.disaggregation.ratios import Ratio
from fleetopt.report import wording
from fleetopt.report.console import columns, first_fitting, line, section
from fleetopt.report.disaggregation import SCHEMA, json_row
from fleetopt.report.layout import Group, Layout, Table

_PUBLISHED = ("n_prefill", "n_decode", "gpus", "usd_per_year", "ttft_ms", "tpot_ms")


def program_report(found: DesignedPhases, ratios: Sequence[Ratio], width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(found, ratios, width))


def program_to_dict(found: DesignedPhases, ratios: Sequence[Ratio]) -> dict[str, Any]:
    """The JSON form; rows have the published names, and the published counts beside them."""
    question = found.question
    return {
        "schema": SCHEMA,
        "method": question.stated.method,
        "asked": found.asked.config,
        "arrival_rate": question.arrival_rate,
        "mean_isl_tokens": question.mean_isl,
        "mean_osl_tokens": question.mean_osl,
        "rows": [_json_row(found, fleet) for fleet in found.fleets],
        "ratios": [vars(ratio) for ratio in ratios],
        "notes": [note.replace(wording.NO_BREAK, " ") for note in _notes(found)],
    }


def program_rows(found: DesignedPhases) -> list[dict[str, Any]]:
    """One flat row for each fleet."""
    rows = []
    for fleet in found.fleets:
        row = _json_row(found, fleet)
        published, intervals = row.pop("published"), row.pop("simulated")
        row |= {f"published_{key}": published.get(key) for key in _PUBLISHED}
        for key, interval in intervals.items():
            for end, name in (("estimate", ""), ("low", "_low"), ("high", "_high")):
                row[f"simulated_{key}{name}"] = (interval or {}).get(end)
        rows.append(row)
    return rows


def _sections(found: DesignedPhases, ratios: Sequence[Ratio], width: int) -> Iterator[Layout]:
    yield line(_verdict(found), width, "bold")
    yield line(_asked(found), width)
    table = (_table(found, close=close) for close in (False, True))
    yield section("Fleets that keep every P99 bound", first_fitting(width, *table))
    if ratios:
        yield section(f"Ratios around that of {found.asked.config}", _ratio_table(ratios))
    yield section("Notes", *(line(note, width) for note in _notes(found)))


def _verdict(found: DesignedPhases) -> str:
    together, apart = found.best("aggregated"), found.best("apart")
    if apart is None or apart.usd_per_year is None:
        return "No fleet with prefill and decode apart keeps the SLO."
    if together is None or together.usd_per_year is None:
        return f"Only apart: {_fleet(apart)} at {wording.money(apart.usd_per_year)} a year."
    change = apart.usd_per_year / together.usd_per_year - 1.0
    word = "save" if change < 0 else "cost"
    more = "" if change < 0 else " more"
    return (
        f"Prefill and decode apart {word} {wording.share(abs(change))}{more}: {_fleet(apart)} at "
        f"{wording.money(apart.usd_per_year)} a year, against {_fleet(together)} at "
        f"{wording.money(together.usd_per_year)}."
    )


def _asked(found: DesignedPhases) -> str:
    asked = found.asked
    assert asked.plan is not None
    assert isinstance(asked.counted, Pair)
    counted = "no counts" if asked.counted.misses else _counts(asked.counted)
    first, second = _replicas(asked)
    return (
        f"{asked.config}: {first}P+{second}D, {wording.money(asked.usd_per_year or 0.0)} a year; "
        f"the published rule has {counted}."
    )


def _fleet(fleet: Designed) -> str:
    assert fleet.plan is not None
    return wording.fleet(fleet.plan.fleet)


def _counts(pair: Pair) -> str:
    return f"{pair.published.n_prefill:,}P+{pair.published.n_decode:,}D"


def _table(found: DesignedPhases, *, close: bool = False) -> Table:
    table = columns(
        "fleet", "replicas", "$/yr", "saving", "P99 TTFT\nsimulated, ms", "P99 TPOT\nsimulated, ms",
        "verdict", "published\ncount", left=1, close=close,
    )  # fmt: skip
    for fleet in found.fleets:
        style = "bold" if fleet is found.asked else ""
        table.add_row(fleet.config, *_cells(found, fleet), style=style)
    return table


def _cells(found: DesignedPhases, fleet: Designed) -> list[str]:
    counted = wording.NOTHING
    if isinstance(fleet.counted, Pair):
        counted = "misses" if fleet.counted.misses else _counts(fleet.counted)
    elif fleet.counted is not None:
        counted = f"{fleet.counted.published.gpus:,}"
    if fleet.plan is None:
        return ["none", *[wording.NOTHING] * 5, counted]
    return [
        _short(fleet),
        wording.money(fleet.usd_per_year or 0.0),
        wording.share(found.saving(fleet)),
        _latency(fleet.plan, "ttft"),
        _latency(fleet.plan, "tpot"),
        _said(fleet.plan),
        counted,
    ]


def _short(fleet: Designed) -> str:
    """Such as '2P+6D', or of several pools each."""
    assert fleet.plan is not None
    pools = fleet.plan.fleet.pools
    names = {"prefill": "P", "decode": "D", None: ""}
    words = [f"{pool.replicas:,}{names[pool.phase]}" for pool in pools]
    return "+".join(words)


def _replicas(fleet: Designed) -> tuple[int | None, int | None]:
    """Prefill and decode replicas of all pools; None where both phases are together."""
    if fleet.plan is None or fleet.side == "aggregated":
        return None, None
    pools = fleet.plan.fleet.pools
    first, second = (
        sum(pool.replicas for pool in pools if pool.phase == phase)
        for phase in ("prefill", "decode")
    )
    return first, second


def _said(plan: Plan) -> str:
    return plan.verification.verdict if plan.verification else "not verified"


def _latency(plan: Plan, metric: str) -> str:
    """The simulated percentile of the worst pool, or what the table says."""
    seen = _simulated(plan, metric)
    return (
        wording.milliseconds(_predicted(plan, metric)) if seen is None else wording.interval(seen)
    )


def _simulated(plan: Plan, metric: str) -> Interval | None:
    """P99 of the worst pool with its interval; None if nothing was simulated."""
    pools = plan.verification.pools if plan.verification else ()
    seen: list[Interval] = [getattr(pool, f"p99_{metric}_ms") for pool in pools]
    return max(
        (interval for interval in seen if interval.estimate is not None),
        key=lambda interval: interval.estimate or 0.0,
        default=None,
    )


def _predicted(plan: Plan, metric: str) -> float | None:
    values = [getattr(pool, f"p99_{metric}_ms") for pool in plan.prediction.pools]
    return max((value for value in values if value is not None), default=None)


def _ratio_table(ratios: Sequence[Ratio]) -> Table:
    table = columns("ratio", "$/yr", "P99 TTFT\ntable, ms", "P99 TPOT\ntable, ms", "keeps", left=1)
    for ratio in ratios:
        table.add_row(
            f"{ratio.n_prefill:,}P+{ratio.n_decode:,}D",
            wording.money(ratio.usd_per_year),
            "overload" if ratio.ttft_ms is None else wording.milliseconds(ratio.ttft_ms),
            "overload" if ratio.tpot_ms is None else wording.milliseconds(ratio.tpot_ms),
            "yes" if ratio.keeps else "no",
            style="bold" if ratio.is_best else "",
        )
    return table


def _notes(found: DesignedPhases) -> Iterator[str]:
    yield (
        "a prefill replica takes whole prompts, one after the other, and is held by each until its "
        "KV has left; decode holds the KV of the prompt; TTFT ends when the KV has landed"
    )
    yield "saving: against the cheapest aggregated fleet here; only split fleets split by length"
    isl, osl = found.question.mean_isl, found.question.mean_osl
    yield (
        f"published: mean lengths {isl:,} + {osl:,} tokens, decode without the prompt, no queues; "
        "--method published says more"
    )
    yield (
        "calibrated profiles know no compute limit of prefill, so prompts cost aggregated pools "
        "next to nothing; profiles of a model (`fleetopt solve --model`) know one"
    )
    for fleet in found.fleets:
        if fleet.misses:
            yield f"{fleet.config}: {fleet.misses}"
    yield from found.notes


def _json_row(found: DesignedPhases, fleet: Designed) -> dict[str, Any]:
    first, second = _replicas(fleet)
    plan = fleet.plan
    simulated: dict[str, Any] = {"ttft_ms": None, "tpot_ms": None}
    if plan is not None:
        for metric in ("ttft", "tpot"):
            seen = _simulated(plan, metric)
            simulated[f"{metric}_ms"] = None if seen is None else vars(seen)
    return {
        "config": fleet.config,
        "side": fleet.side,
        "fleet": None if plan is None else wording.fleet(plan.fleet).replace(wording.NO_BREAK, " "),
        "n_prefill": first,
        "n_decode": second,
        "gpus": None if plan is None else plan.fleet.gpus,
        "usd_per_year": fleet.usd_per_year,
        "ttft_ms": None if plan is None else _predicted(plan, "ttft"),
        "tpot_ms": None if plan is None else _predicted(plan, "tpot"),
        "saving": found.saving(fleet),
        "verdict": None if plan is None else _said(plan),
        "simulated": simulated,
        "published": {} if fleet.counted is None else json_row(fleet.counted),
        "misses": fleet.misses,
    }
