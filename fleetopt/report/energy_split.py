"""Two pools beside one by energy, as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.plan import Interval
from fleetopt.questions.energy.pools import FleetEnergy
from fleetopt.questions.energy.split import SplitEnergy, Topology
from fleetopt.questions.energy.tokens_per_watt import MOST_CUT_TOKENS
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.energy import cut_note, pool_figures, power_notes
from fleetopt.report.layout import Group, Layout

SCHEMA = "fleetopt.split_energy/1"


def split_report(found: SplitEnergy, width: int) -> Group:
    """The whole report."""
    return Group(*_sections(found, width))


def split_to_dict(found: SplitEnergy) -> dict[str, Any]:
    """The JSON form; `rows` have the published names, the two pools first."""
    return {
        "schema": SCHEMA,
        "method": found.problem.method,
        "b_short": found.b_short,
        "saving": found.saving,
        "saves": found.saves,
        "context_tokens": found.context_tokens,
        "published_context_tokens": found.published_context_tokens,
        "rows": [_row(found, each) for each in found.topologies],
        "notes": list(_notes(found)),
        "problem": found.problem.model_dump(mode="json", exclude_none=True),
    }


def split_rows(found: SplitEnergy) -> list[dict[str, Any]]:
    """One flat row for each fleet."""
    rows = []
    for each in found.topologies:
        row = {"topology": each.fleet.label, "b_short": found.b_short, **_figures(each.fleet)}
        published = dict.fromkeys(row) if each.published is None else _figures(each.published)
        row |= {f"published_{name}": published[name] for name in _figures(each.fleet)}
        for name in ("tokens_per_watt", "kilowatts", "p99_ttft_ms"):
            nothing = Interval(None, None, None)
            value = getattr(each.simulated, name) if each.simulated else nothing
            row |= {f"simulated_{name}": value.estimate}
            row |= {f"simulated_{name}_low": value.low, f"simulated_{name}_high": value.high}
        rows.append(row)
    return rows


def _sections(found: SplitEnergy, width: int) -> Iterator[Layout]:
    yield line(_answer(found), width, "bold")
    yield section("Fleets, by the table" if found.problem.method == "fleetopt"
                  else "Fleets, by the published formulas", _table(found))  # fmt: skip
    if found.split.simulated is not None:
        yield section("Simulated on the same arrivals, 95 % intervals", _simulated(found))
    yield section("Pools", _pools(found))
    notes = list(_notes(found))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _answer(found: SplitEnergy) -> str:
    split, one = found.split.fleet, found.one_pool.fleet
    verb = "saves" if found.saving > 0 else "costs"
    said = (
        f"A split at {found.b_short:,} tokens {verb} {wording.share(abs(found.saving))} of the "
        f"power of one pool of {one.label}: {split.kilowatts:.2f} against "
        f"{one.kilowatts:.2f}{wording.NO_BREAK}kW"
    )
    if found.split.simulated is None:
        return f"{said}."
    if found.saves is None:
        return f"{said}; simulation leaves it open."
    agrees = found.saves == (found.saving > 0)
    return f"{said}; simulation {'agrees' if agrees else 'says the opposite'}."


def _table(found: SplitEnergy) -> Any:
    table = columns(
        "fleet", "GPUs", "kW", "tok/W", "$/Mtok", "P99 TTFT\nms", "SLO",
        "published\ntok/W", "GPUs",
    )  # fmt: skip
    for each in found.topologies:
        fleet, published = each.fleet, each.published
        table.add_row(
            fleet.label, f"{fleet.gpus:,}", f"{fleet.kilowatts:.2f}",
            f"{fleet.tokens_per_watt:.2f}", f"{fleet.usd_per_million_tokens:.2f}",
            wording.milliseconds(fleet.worst_p99_ttft_ms), "kept" if fleet.meets else "missed",
            *(
                [wording.NOTHING] * 2 if published is None
                else [f"{published.tokens_per_watt:.2f}", f"{published.gpus:,}"]
            ),
        )  # fmt: skip
    return table


def _simulated(found: SplitEnergy) -> Any:
    table = columns("fleet", "kW", "tok/W", "less than the split", "P99 TTFT, ms", "verdict",
                    close=True)  # fmt: skip
    for each in found.topologies:
        said = each.simulated
        if said is not None:
            table.add_row(
                each.fleet.label, _interval(said.kilowatts), _interval(said.tokens_per_watt),
                _interval(said.tokens_per_watt_less), wording.interval(said.p99_ttft_ms),
                said.standing,
            )  # fmt: skip
    return table


def _pools(found: SplitEnergy) -> Any:
    table = columns("lengths", "GPU", "GPUs", "req/s", "utili-\nzation", "batch", "W/GPU",
                    "output\ntokens", "power", left=2)  # fmt: skip
    for pool in found.split.fleet.pools:
        table.add_row(
            wording.lengths(pool.lo_tokens, pool.hi_tokens), pool.gpu, f"{pool.gpus:,}",
            wording.rate(pool.arrival_rate), wording.share(pool.utilization), f"{pool.batch:.1f}",
            f"{pool.watts:.0f}", f"{pool.output_tokens:.0f}", pool.power_quality,
        )  # fmt: skip
    return table


def _interval(value: Interval) -> str:
    """An estimate with its interval, two decimals."""
    if value.estimate is None:
        return wording.NOTHING
    if value.low is None or value.high is None:
        return f"{value.estimate:.2f}"
    ends = f"[{value.low:.2f},{wording.NO_BREAK}{value.high:.2f}]"
    return f"{value.estimate:.2f}{wording.NO_BREAK}{ends}"


def _notes(found: SplitEnergy) -> Iterator[str]:
    yield from power_notes([p for each in found.topologies for p in each.fleet.pools])
    if found.cut_tokens > MOST_CUT_TOKENS:
        yield cut_note(
            found.context_tokens, found.published_context_tokens,
            found.cut_requests, found.cut_tokens,
        )  # fmt: skip
    for each in found.topologies:
        if each.simulated is not None and each.simulated.too_short:
            yield f"{each.fleet.label}: {each.simulated.too_short}"


def _figures(fleet: FleetEnergy) -> dict[str, Any]:
    return {
        "gpus": fleet.gpus,
        "tok_per_w": fleet.tokens_per_watt,
        "fleet_kw": fleet.kilowatts,
        "usd_per_mtok": fleet.usd_per_million_tokens,
        "p99_ms": fleet.worst_p99_ttft_ms,
        "slo_met": fleet.meets,
    }


def _row(found: SplitEnergy, each: Topology) -> dict[str, Any]:
    lengths = found.problem.cdf
    return {
        "workload": lengths if isinstance(lengths, str) else lengths.name,
        "b_short": found.b_short,
        "topology": each.fleet.label,
        **_figures(each.fleet),
        "pools": [pool_figures(pool) for pool in each.fleet.pools],
        "published": None
        if each.published is None
        else {
            **_figures(each.published),
            "pools": [pool_figures(pool) for pool in each.published.pools],
        },
        "simulated": None if each.simulated is None else asdict(each.simulated),
    }
