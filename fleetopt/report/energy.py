"""Tokens per watt as text, JSON and CSV: the answer first, the published figures beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from fleetopt.performance.power import known_as
from fleetopt.questions.energy.pools import FleetEnergy, PoolEnergy
from fleetopt.questions.energy.tokens_per_watt import (
    MOST_CUT_TOKENS,
    GpuEnergy,
    TokensPerWatt,
)
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout
from fleetopt.report.plan_energy import asks

SCHEMA = "fleetopt.tokens_per_watt/1"


def energy_report(found: TokensPerWatt, width: int) -> Group:
    """The whole report."""
    return Group(*_sections(found, width))


def energy_to_dict(found: TokensPerWatt) -> dict[str, Any]:
    """The JSON form; `rows` have the published names."""
    return {
        "schema": SCHEMA,
        "method": found.method,
        "best": found.best.gpu,
        "context_tokens": found.context_tokens,
        "published_context_tokens": found.published_context_tokens,
        "cut_requests": found.cut_requests,
        "cut_tokens": found.cut_tokens,
        "rows": [_row(gpu) for gpu in found.gpus],
        "notes": list(_notes(found)),
        "problem": found.problem.model_dump(mode="json", exclude_none=True),
    }


def energy_rows(found: TokensPerWatt) -> list[dict[str, Any]]:
    """One flat row for each GPU type."""
    rows = []
    for gpu in found.gpus:
        row = _figures(gpu.fleet)
        for place, fleet in (("cut", gpu.cut), ("published", gpu.published)):
            for name in ("gpus", "tok_per_w", "w_per_gpu"):
                row[f"{place}_{name}"] = None if fleet is None else _figures(fleet)[name]
        for name in ("kwh_per_year", "electricity_usd_per_year", "co2_kg_per_year"):
            row[name] = getattr(gpu.year, name)
        row |= {f"tok_per_w_at_{p.utilization:.2f}": p.fleet.tokens_per_watt for p in gpu.sweep}
        rows.append(row)
    return rows


def pool_figures(pool: PoolEnergy) -> dict[str, Any]:
    """A pool under the published names."""
    return {
        "gpu": pool.gpu,
        "lo_tokens": pool.lo_tokens,
        "hi_tokens": pool.hi_tokens,
        "gpus": pool.gpus,
        "rho": pool.utilization,
        "n_active": pool.batch,
        "w_per_gpu": pool.watts,
        "p99_ms": pool.p99_ttft_ms,
        "slo_met": pool.meets,
        "output_tokens": pool.output_tokens,
        "power_quality": pool.power_quality,
        "power_source": pool.power_source,
        "serves": pool.serves,
    }


def power_notes(pools: Sequence[PoolEnergy]) -> Iterator[str]:
    """How well the power of each GPU type is known, and whether they serve one model."""
    seen = {pool.gpu: pool for pool in pools}
    yield from known_as((gpu, pool.power_quality, pool.power_source) for gpu, pool in seen.items())
    if len({pool.serves for pool in seen.values()}) > 1:
        models = "; ".join(f"{gpu}: {pool.serves}" for gpu, pool in seen.items())
        yield f"the profiles serve different models ({models}), whose tokens are not the same good"


def cut_note(context: int, published: int, requests: float, tokens: float) -> str:
    """What the published context window cuts off, and what serving it takes."""
    cut = (
        f"{wording.share(requests, 2)} of the requests, with {wording.share(tokens)} of all "
        f"tokens beyond it"
    )
    if context == published:
        return f"lengths are cut to {published:,} tokens: {cut}"
    return (
        f"the published method cuts lengths to {published:,} tokens: {cut}; here they are whole, "
        f"in a context window of {context:,} tokens (--max-ctx states another)"
    )


def _sections(found: TokensPerWatt, width: int) -> Iterator[Layout]:
    best = found.best
    kept = "" if best.fleet.meets else "; none keeps the SLO"
    said = f"{best.gpu} makes most of a watt: {_tokens(best.fleet)} output tokens per joule{kept}."
    yield line(said, width, "bold")
    yield section(f"One pool for all requests, {_by(found.method)}", _table(found))
    if any(gpu.cut for gpu in found.gpus):
        title = f"The same with lengths cut to {found.published_context_tokens:,} tokens"
        yield section(title, _cut_table(found))
    if any(gpu.sweep for gpu in found.gpus):
        yield section("Tokens per joule by utilization, with the GPUs", _sweep(found))
    if asks(found.problem):
        yield section("A year of each", _years(found))
    notes = list(_notes(found))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _years(found: TokensPerWatt) -> Any:
    table = columns("GPU", "MWh", "J/token", "electricity\nUSD", "CO2\nt", "$/Mtok\nin all")
    for gpu in found.gpus:
        year = gpu.year
        paid, co2 = year.electricity_usd_per_year, year.co2_kg_per_year
        table.add_row(
            gpu.gpu, f"{year.kwh_per_year / 1000.0:,.1f}", f"{year.joules_per_output_token:.3g}",
            wording.NOTHING if paid is None else f"{paid:,.0f}",
            wording.NOTHING if co2 is None else f"{co2 / 1000.0:,.2f}",
            f"{year.usd_per_million_output_tokens:.2f}",
        )  # fmt: skip
    return table


def _by(method: str) -> str:
    return "by the table" if method == "fleetopt" else "by the published formulas"


def _table(found: TokensPerWatt) -> Any:
    beside = found.method == "fleetopt" and any(gpu.published for gpu in found.gpus)
    extra = ["published\ntok/W", "GPUs"] if beside else []
    table = columns(
        "GPU", "GPUs", "utili-\nzation", "batch", "W/GPU", "tok/W", "$/Mtok", "P99 TTFT\nms", "SLO",
        "power", *extra, close=False,
    )  # fmt: skip
    for gpu in found.gpus:
        pool = gpu.fleet.pools[0]
        cells = [
            gpu.gpu, f"{pool.gpus:,}", wording.share(pool.utilization), f"{pool.batch:.1f}",
            f"{pool.watts:.0f}", _tokens(gpu.fleet), f"{gpu.fleet.usd_per_million_tokens:.2f}",
            wording.milliseconds(pool.p99_ttft_ms), "kept" if pool.meets else "missed",
            pool.power_quality,
        ]  # fmt: skip
        if beside and gpu.published is not None:
            cells += [_tokens(gpu.published), f"{gpu.published.gpus:,}"]
        table.add_row(*cells, style="bold" if gpu is found.best else "")
    return table


def _cut_table(found: TokensPerWatt) -> Any:
    table = columns(
        "GPU", "GPUs", "utili-\nzation", "batch", "W/GPU", "tok/W", "P99 TTFT\nms", "SLO"
    )
    for gpu in found.gpus:
        if gpu.cut is not None:
            pool = gpu.cut.pools[0]
            table.add_row(
                gpu.gpu, f"{pool.gpus:,}", wording.share(pool.utilization), f"{pool.batch:.1f}",
                f"{pool.watts:.0f}", _tokens(gpu.cut), wording.milliseconds(pool.p99_ttft_ms),
                "kept" if pool.meets else "missed",
            )  # fmt: skip
    return table


def _sweep(found: TokensPerWatt) -> Any:
    steps = [wording.share(point.utilization, 0) for point in found.gpus[0].sweep]
    table = columns("GPU", *steps)
    for gpu in found.gpus:
        table.add_row(
            gpu.gpu,
            *(f"{_tokens(p.fleet)}{wording.NO_BREAK}({p.fleet.gpus:,})" for p in gpu.sweep),
        )
    return table


def _notes(found: TokensPerWatt) -> Iterator[str]:
    yield from power_notes([gpu.fleet.pools[0] for gpu in found.gpus])
    if found.cut_tokens > MOST_CUT_TOKENS:
        yield cut_note(
            found.context_tokens, found.published_context_tokens,
            found.cut_requests, found.cut_tokens,
        )  # fmt: skip
    published = [gpu.published for gpu in found.gpus if gpu.published is not None]
    if published:
        theirs = max(published, key=lambda fleet: fleet.tokens_per_watt)
        if theirs.label != max(found.gpus, key=lambda gpu: gpu.fleet.tokens_per_watt).gpu:
            yield (
                f"the published formulas put {theirs.label} first, "
                f"{_tokens(theirs)} tokens per joule"
            )
    late = [gpu.gpu for gpu in found.gpus if not gpu.fleet.meets]
    if late:
        yield f"these fleets miss the SLO: {', '.join(late)}"
    yield from found.notes


def _tokens(fleet: FleetEnergy) -> str:
    return f"{fleet.tokens_per_watt:.2f}"


def _figures(fleet: FleetEnergy) -> dict[str, Any]:
    """A fleet of one pool under the published names."""
    figures = pool_figures(fleet.pools[0])
    return {
        **figures,
        "tok_per_w": fleet.tokens_per_watt,
        "fleet_kw": fleet.kilowatts,
        "usd_per_mtok": fleet.usd_per_million_tokens,
    }


def _row(gpu: GpuEnergy) -> dict[str, Any]:
    row = _figures(gpu.fleet)
    if gpu.sweep:
        row["sweep"] = {f"{p.utilization:.2f}": p.fleet.tokens_per_watt for p in gpu.sweep}
    row["year"] = asdict(gpu.year)
    row["cut"] = None if gpu.cut is None else _figures(gpu.cut)
    row["published"] = None if gpu.published is None else _figures(gpu.published)
    return row
