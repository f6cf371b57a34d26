"""Which GPU and which mix, as text, JSON and CSV: the answer first, then every fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from fleetopt.plan import Plan
from fleetopt.questions.whatif.gpus import ComparedFleet, GpuComparison, PoolChoice
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout, Table

SCHEMA = "fleetopt.whatif-gpus/1"
_LAYOUTS = {"homo": "one pool", "two-pool": "two pools", "mixed": "two pools, mixed"}


def gpus_report(comparison: GpuComparison, width: int) -> Group:
    """The whole report."""
    return Group(*_sections(comparison, width))


def gpus_to_dict(comparison: GpuComparison) -> dict[str, Any]:
    """The JSON form."""
    plans = [
        {"lam": lam, "plan": None if plan is None else plan.to_dict()}
        for lam, plan in comparison.plans.items()
    ]
    return {
        "schema": SCHEMA,
        "rows": gpu_rows(comparison),
        "pools": [
            {"lam": fleet.lam, "config": _config(fleet), "pools": [_pool(p) for p in fleet.pools]}
            for fleet in comparison.fleets
            if comparison.is_simulated
        ],
        "optimum": plans or None,
        "left_out": list(comparison.left_out),
        "notes": list(comparison.notes),
        "question": comparison.stated.model_dump(mode="json", exclude_none=True),
    }


def gpu_rows(comparison: GpuComparison) -> list[dict[str, Any]]:
    """One flat row for each fleet, ranked within its arrival rate."""
    return [
        _row(fleet, rank, fleets[0])
        for lam in dict.fromkeys(comparison.stated.rates)
        for fleets in (comparison.at(lam),)
        for rank, fleet in enumerate(fleets, 1)
    ]


def _row(fleet: ComparedFleet, rank: int, best: ComparedFleet) -> dict[str, Any]:
    return {
        "lam": fleet.lam,
        "rank": rank,
        "gpu": fleet.gpu,
        "config": _config(fleet),
        "layout": fleet.layout,
        "gpus": fleet.gpus,
        "usd_per_year": fleet.usd_per_year,
        "times_cheapest": fleet.usd_per_year / best.usd_per_year,
        "n_short": _count(fleet.short),
        "n_long": _count(fleet.long),
        "p99_ms": max(pool.p99_ttft_ms for pool in fleet.pools),
        "p99_short_ms": fleet.short.p99_ttft_ms if fleet.short else None,
        "p99_long_ms": fleet.long.p99_ttft_ms if fleet.long else None,
        "slo_met": fleet.meets,
        "verdicts": "+".join(p.accepted.said.verdict for p in fleet.pools if p.accepted) or None,
    }


def _config(fleet: ComparedFleet) -> str:
    """As 'all-a100' or 'a10g+h100'; one pool for all lengths is 'homo-a100'."""
    prefix = {"homo": "homo-", "two-pool": "all-", "mixed": ""}[fleet.layout]
    return prefix + fleet.gpu


def _count(pool: PoolChoice | None) -> int | None:
    return None if pool is None else pool.replicas


def _pool(pool: PoolChoice) -> dict[str, Any]:
    size = pool.size
    return {
        "lo_tokens": size.what.lo_tokens,
        "hi_tokens": size.what.hi_tokens,
        "gpu": size.gpu.name,
        "replicas_by_table": size.bought,
        "replicas": pool.replicas,
        "said": asdict(pool.accepted.said) if pool.accepted else None,
        "fewer": asdict(pool.accepted.fewer) if pool.accepted and pool.accepted.fewer else None,
        "binds": pool.accepted.binds if pool.accepted else None,
    }


def _sections(comparison: GpuComparison, width: int) -> Iterator[Layout]:
    rates = list(dict.fromkeys(comparison.stated.rates))
    for lam in rates:
        fleets = comparison.at(lam)
        yield line(_answer(lam, fleets), width, "bold")
        if len(rates) == 1:
            yield from (line(text, width) for text in _conclusions(fleets))
    for lam in rates:
        title = f"Fleets for {wording.rate(lam)} requests per second"
        parts: list[Layout] = [_table(comparison, comparison.at(lam))]
        if lam in comparison.plans:
            parts.append(line(_optimum(comparison.plans[lam]), width))
        yield section(title, *parts)
    notes = [*comparison.notes, *comparison.left_out]
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _answer(lam: float, fleets: Sequence[ComparedFleet]) -> str:
    best = fleets[0]
    start = f"At {wording.rate(lam)} requests per second"
    if not best.meets:
        return f"{start} none of these fleets keeps the SLO."
    cost = wording.money(best.usd_per_year)
    return f"{start} {_words(best)} is the cheapest: {best.gpus:,} GPUs, {cost} a year."


def _conclusions(fleets: Sequence[ComparedFleet]) -> Iterator[str]:
    """What the cheapest of each kind costs beside the cheapest of all."""
    kept = [fleet for fleet in fleets if fleet.meets]
    for layout, words in _LAYOUTS.items():
        best = next((fleet for fleet in kept if fleet.layout == layout), None)
        if best is not None and best is not kept[0]:
            more = best.usd_per_year / kept[0].usd_per_year - 1.0
            yield (
                f"Best with {words}: {best.gpu}, {best.gpus:,} GPUs, "
                f"{wording.money(best.usd_per_year)} a year, {wording.share(more)} more."
            )


def _words(fleet: ComparedFleet) -> str:
    if fleet.whole is not None:
        return f"one pool of {fleet.gpu}"
    if fleet.layout == "two-pool":
        return f"two pools of {fleet.gpu}"
    both = [f"{place} {pool.size.gpu.name}" for place, pool in
            (("short", fleet.short), ("long", fleet.long)) if pool]  # fmt: skip
    return f"a mix of {' and '.join(both)}"


def _table(comparison: GpuComparison, fleets: Sequence[ComparedFleet]) -> Table:
    simulated = comparison.is_simulated
    said = ["verdict"] if simulated else ["SLO"]
    names = ("layout", "short / all", "long", "GPUs", "$/yr", "times\ncheapest")
    latencies = ("P99 TTFT\nshort / all, ms", "P99 TTFT\nlong, ms")
    table = columns(*names, *latencies, *said, left=3, close=True)
    for fleet in fleets:
        first, second = (*fleet.pools, None)[:2]
        table.add_row(
            _LAYOUTS[fleet.layout],
            _machines(first),
            _machines(second),
            f"{fleet.gpus:,}",
            wording.money(fleet.usd_per_year),
            f"{fleet.usd_per_year / fleets[0].usd_per_year:.2f}",
            _latency(first),
            _latency(second),
            _verdict(fleet) if simulated else ("kept" if fleet.meets else "missed"),
            style="" if fleet.meets else "dim",
        )
    return table


def _machines(pool: PoolChoice | None) -> str:
    if pool is None:
        return ""
    more = pool.replicas - pool.size.bought
    text = f"{pool.replicas:,}{wording.NO_BREAK}{pool.size.gpu.name}"
    return f"{text}{wording.NO_BREAK}({more:+d})" if more else text


def _latency(pool: PoolChoice | None) -> str:
    if pool is None:
        return ""
    if pool.accepted is not None:
        return wording.interval(pool.accepted.said.p99_ttft_ms)
    return wording.milliseconds(pool.p99_ttft_ms)


def _verdict(fleet: ComparedFleet) -> str:
    said = [pool.accepted.said.verdict for pool in fleet.pools if pool.accepted]
    return next((verdict for verdict in said if verdict != "pass"), "pass")


def _optimum(plan: Plan | None) -> str:
    if plan is None:
        return "No fleet of these GPUs keeps the SLO, split anywhere."
    verdict = f", {plan.verification.verdict} in the simulator" if plan.verification else ""
    return (
        f"Split anywhere, the cheapest is {wording.fleet(plan.fleet)}: "
        f"{wording.counted(plan.fleet.gpus, 'GPU')}, "
        f"{wording.money(plan.cost.usd_per_year)} a year{verdict}."
    )
