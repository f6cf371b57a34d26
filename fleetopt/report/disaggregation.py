"""Prefill and decode apart as text, JSON and CSV: both countings side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetopt.questions.disaggregation import Aggregated, Apart, Disaggregation, Pair, Together
from fleetopt.report import wording
from fleetopt.report.console import columns, first_fitting, line, section
from fleetopt.report.layout import Group, Layout, Table

SCHEMA = "fleetopt.disaggregation/1"
_CORRECTED = "corrected_"


def disaggregation_report(found: Disaggregation, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(found, width))


def disaggregation_to_dict(found: Disaggregation) -> dict[str, Any]:
    """The JSON form; rows have the published names, and the corrected count beside them."""
    return {
        "schema": SCHEMA,
        "method": "published",
        "asked": found.asked.config,
        "arrival_rate": found.arrival_rate,
        "mean_isl_tokens": found.mean_isl,
        "mean_osl_tokens": found.mean_osl,
        "mean_prompt_tokens": found.mean_prompt,
        "mean_output_tokens": found.mean_output,
        "rows": [json_row(fleet) for fleet in found.fleets],
        "notes": [note.replace(wording.NO_BREAK, " ") for note in _notes(found)],
    }


def disaggregation_rows(found: Disaggregation) -> list[dict[str, Any]]:
    """One flat row for each fleet."""
    rows = []
    for fleet in found.fleets:
        row = json_row(fleet)
        corrected = row.pop("corrected")
        rows.append(row | {_CORRECTED + key: value for key, value in corrected.items()})
    return rows


def _sections(found: Disaggregation, width: int) -> Iterator[Layout]:
    yield line(_verdict(found), width, "bold")
    yield line(_beside(found), width)
    yield section(
        "Fleets, counted in both ways",
        first_fitting(width, _table(found), _table(found, close=True)),
    )
    yield section("Notes", *(line(note, width) for note in _notes(found)))


def _verdict(found: Disaggregation) -> str:
    asked = found.asked
    return (
        f"The published method counts {_counts(asked.published)} for {asked.config}, "
        f"{_cost(asked.published)}; with the prompt's KV in decode and exact lengths it takes "
        f"{_counts(asked.corrected)}, {_cost(asked.corrected)}."
    )


def _beside(found: Disaggregation) -> str:
    pairs = [pair for pair in found.pairs if not pair.misses]
    pair = min(pairs, key=lambda pair: pair.corrected.usd_per_year)
    said = f"Cheapest apart is {pair.config} at {wording.money(pair.corrected.usd_per_year)}"
    pools = [(fleet.gpu, fleet.corrected) for fleet in found.aggregated if fleet.corrected]
    if not pools:
        return f"{said}; no aggregated pool keeps the SLO."
    gpu, pool = min(pools, key=lambda named: named[1].usd_per_year)
    return (
        f"{said}, by mean rates alone; cheapest together are {pool.gpus:,} {gpu} at "
        f"{wording.money(pool.usd_per_year)}, which keep the P99 bounds."
    )


def _table(found: Disaggregation, *, close: bool = False) -> Table:
    table = columns(
        "fleet", "published\ncount", "$/yr", "TTFT\nms", "TPOT\nms",
        "with prompt KV\ncount", "$/yr", "P99 TTFT\nms", "P99 TPOT\nms", close=close,
    )  # fmt: skip
    for fleet in found.aggregated:
        table.add_row(fleet.config, *_pool_cells(fleet))
    for pair in found.pairs:
        style = "bold" if pair.config == found.asked.config else ""
        table.add_row(pair.config, *_pair_cells(pair), style=style)
    return table


def _pool_cells(fleet: Aggregated) -> list[str]:
    first, second = fleet.published, fleet.corrected
    cells = [f"{first.gpus:,}", wording.money(first.usd_per_year)]
    cells += [wording.milliseconds(first.ttft_ms), wording.milliseconds(first.tpot_ms)]
    if second is None:
        return [*cells, "none", *[wording.NOTHING] * 3]
    cells += [f"{second.gpus:,}", wording.money(second.usd_per_year)]
    return [*cells, wording.milliseconds(second.ttft_ms), wording.milliseconds(second.tpot_ms)]


def _pair_cells(pair: Pair) -> list[str]:
    latencies = [wording.milliseconds(pair.ttft_ms), wording.milliseconds(pair.tpot_ms)]
    if pair.misses:
        return ["misses", wording.NOTHING, *latencies, *[wording.NOTHING] * 4]
    first, second = pair.published, pair.corrected
    return [
        _counts(first), wording.money(first.usd_per_year), *latencies,
        _counts(second), wording.money(second.usd_per_year),
        wording.NOTHING, wording.NOTHING,
    ]  # fmt: skip


def _notes(found: Disaggregation) -> Iterator[str]:
    yield (
        f"published: mean lengths {found.mean_isl:,} + {found.mean_osl:,} tokens, decode holds "
        "the output alone; TTFT and TPOT are those of a full batch, not percentiles"
    )
    yield (
        f"with prompt KV: exact sums over the lengths (means {found.mean_prompt:,.0f} + "
        f"{found.mean_output:,.0f} tokens), decode holds the prompt and half of the output on "
        "average; mean-rate capacity of full replicas, not a percentile"
    )
    yield "aggregated pools: the published sizing, and fleetopt's table with its percentiles"
    yield (
        "calibrated profiles know no compute limit of prefill, so that prefill counts are low in "
        "both countings"
    )
    if found.asked.corrected.n_decode > found.stated.max_decode:
        yield f"the corrected count is above --max-decode {found.stated.max_decode:,}"
    for pair in found.pairs:
        if pair.misses:
            yield f"{pair.config}: {pair.misses}"
    yield from found.notes


def _counts(apart: Apart) -> str:
    return f"{apart.n_prefill:,}P+{apart.n_decode:,}D"


def _cost(apart: Apart) -> str:
    gpus = wording.counted(apart.gpus, "GPU")
    return f"{gpus} and {wording.money(apart.usd_per_year)} a year"


def json_row(fleet: Aggregated | Pair) -> dict[str, Any]:
    """A fleet by the published names, and its corrected count beside them."""
    if isinstance(fleet, Aggregated):
        both = [_together(pool) for pool in (fleet.published, fleet.corrected)]
        misses = "" if fleet.corrected else "no number of replicas keeps the SLO"
    else:
        both = [_apart(None if fleet.misses else a) for a in (fleet.published, fleet.corrected)]
        both[0] |= {"ttft_ms": fleet.ttft_ms, "tpot_ms": fleet.tpot_ms}
        misses = fleet.misses
    return {"config": fleet.config, **both[0], "corrected": both[1], "misses": misses}


def _together(pool: Together | None) -> dict[str, Any]:
    return _keys() | ({} if pool is None else vars(pool))


def _apart(apart: Apart | None) -> dict[str, Any]:
    if apart is None:
        return _keys()
    figures = vars(apart) | {"requests_per_s": apart.rate}
    return {key: figures.get(key) for key in _keys()}


def _keys() -> dict[str, Any]:
    names = ("n_prefill", "n_decode", "gpus", "usd_per_year", "ttft_ms", "tpot_ms",
             "requests_per_s")  # fmt: skip
    return dict.fromkeys(names)
