"""Power caps as text, JSON and CSV: how deep is safe, then every depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.performance.power import known_as
from fleetopt.plan import Interval
from fleetopt.questions.energy.grid import GridFlex, GridLevel
from fleetopt.report import levers, wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout

SCHEMA = "fleetopt.grid_flex/1"


def grid_report(found: GridFlex, width: int) -> Group:
    """The whole report."""
    return Group(*_sections(found, width))


def grid_to_dict(found: GridFlex) -> dict[str, Any]:
    """The JSON form; `rows` have the published names, draws at the cap under them."""
    return {
        "schema": SCHEMA,
        "method": found.problem.method,
        "gpu": found.gpu,
        "n_gpus": found.gpus,
        "lam": found.arrival_rate,
        "slots": found.slots,
        "power_quality": found.power.quality,
        "power_source": found.power.source,
        "safe": asdict(found.safe),
        "fewer": None if found.fewer is None else asdict(found.fewer),
        "levers": None if found.shedding is None else levers.levers_to_dict(found.shedding),
        "rows": [_row(level) for level in found.levels],
        "left_out_pcts": list(found.left_out),
        "notes": list(_notes(found)),
        "problem": found.problem.model_dump(mode="json", exclude_none=True),
    }


def grid_rows(found: GridFlex) -> list[dict[str, Any]]:
    """One flat row for each depth."""
    rows = []
    for level in found.levels:
        row = _row(level)
        said, event = row.pop("simulated"), row.pop("event")
        mixes = {name: row.pop(name) for name in ("mix_at_cap", "mix")}
        for name in ("p99_ttft_ms", "kilowatts", "attained"):
            ends = {"estimate": None, "low": None, "high": None} if said is None else said[name]
            row |= {f"simulated_{name}": ends["estimate"]}
            row |= {f"simulated_{name}_low": ends["low"], f"simulated_{name}_high": ends["high"]}
        for name, mix in mixes.items():
            row |= levers.flat_mix(name, mix)
        rows.append(row | _flat_event(event))
    return rows


def _flat_event(event: dict[str, Any] | None) -> dict[str, Any]:
    """What an event says, in one line; empty cells without one."""
    flat: dict[str, Any] = {"event_standing": None if event is None else event["standing"]}
    for part in ("before", "during", "after"):
        said = None if event is None else event[part]["p99_ttft_ms"]
        flat[f"event_p99_ttft_ms_{part}"] = None if said is None else said["estimate"]
    for name in ("backlog", "recovery_s", "shed_kw"):
        flat[f"event_{name}"] = None if event is None else event[name]["estimate"]
    return flat


def _sections(found: GridFlex, width: int) -> Iterator[Layout]:
    yield line(_answer(found), width, "bold")
    yield from (line(text, width) for text in (*_breach(found), *_fewer(found)))
    if found.shedding is not None:
        yield from (line(text, width) for text in levers.answer(found.shedding))
    by = "by the table" if found.problem.method == "fleetopt" else "by the published formulas"
    yield section(f"Depths by a cap, for good, {by}", _table(found))
    if found.shedding is not None:
        yield from levers.sections(found, found.shedding, width)
    if any(level.simulated for level in found.levels):
        yield section("Simulated steady state, 95 % intervals", _simulated(found))
    event = next((level.event for level in found.levels if level.event), None)
    if event is not None:
        heading = f"Simulated event of {event.minutes:g} minutes, 95 % intervals"
        yield section(heading, _events(found))
    yield section("Notes", *(line(note, width) for note in _notes(found)))


def _answer(found: GridFlex) -> str:
    safe, machines = found.safe, f"{found.gpus:,}{wording.NO_BREAK}{found.gpu}"
    if safe.n_max is None:
        return f"{machines} miss the SLO at {found.arrival_rate:g} req/s, with any cap and without."
    return (
        f"{machines} keep the SLO at {found.arrival_rate:g} req/s down to batches of {safe.n_max}. "
        f"At the cap that is {safe.at_cap_pct:.1f}{wording.NO_BREAK}% below the nominal draw; "
        f"of what the fleet really draws it sheds {safe.shed_pct:.1f}{wording.NO_BREAK}%."
    )


def _breach(found: GridFlex) -> Iterator[str]:
    """What the first depth that the fleet cannot carry would leave it."""
    for level in found.levels:
        if not level.is_stable:
            yield (
                f"At {level.flex_pct:g} % batches of {level.n_max} serve at most "
                f"{wording.rate(level.most_per_s)} of {found.arrival_rate:g} req/s: the waiting "
                f"line grows without end."
            )
            return


def _fewer(found: GridFlex) -> Iterator[str]:
    """What switching GPUs off would shed."""
    fewer = found.fewer
    if fewer is not None and fewer.gpus < found.gpus:
        yield (
            f"Without a cap {fewer.gpus:,} of them keep the SLO; with the others switched off the "
            f"fleet draws {fewer.drawn_kw:.2f}{wording.NO_BREAK}kW, "
            f"{fewer.shed_pct:.0f}{wording.NO_BREAK}% less."
        )


def _table(found: GridFlex) -> Any:
    table = columns(
        "depth\n%", "n_max", "at the cap\nW/GPU", "\nkW", "shed\nkW", "really\nkW", "shed\nkW",
        "utili-\nzation", "P99 TTFT\nms", "SLO", "published\nP99, ms", left=0, close=False,
    )  # fmt: skip
    for level in found.levels:
        table.add_row(
            f"{level.flex_pct:g}", f"{level.n_max:,}", f"{level.w_per_gpu:.0f}",
            f"{level.fleet_kw:.1f}", f"{level.shed_at_cap_kw:.1f}", f"{level.drawn_kw:.2f}",
            f"{max(0.0, level.shed_kw):.2f}", wording.share(level.utilization),
            wording.milliseconds(level.p99_ttft_ms), "kept" if level.meets else "missed",
            wording.milliseconds(level.published_p99_ttft_ms),
        )  # fmt: skip
    return table


def _simulated(found: GridFlex) -> Any:
    table = columns("depth\n%", "n_max", "P99 TTFT\nms", "attained", "really\nkW",
                    "line grows\nreq/s", "verdict", left=0)  # fmt: skip
    for level in found.levels:
        said = level.simulated
        if said is not None:
            growth = said.backlog_per_s.estimate or 0.0
            drawn = said.kilowatts
            table.add_row(
                f"{level.flex_pct:g}", f"{level.n_max:,}", wording.interval(said.p99_ttft_ms),
                wording.attainment(said.attained),
                f"{drawn.estimate:.2f}{wording.NO_BREAK}[{drawn.low:.2f},{wording.NO_BREAK}"
                f"{drawn.high:.2f}]" if drawn.low is not None else f"{drawn.estimate:.2f}",
                f"{max(0.0, growth):.1f}", said.standing,
            )  # fmt: skip
    return table


def _events(found: GridFlex) -> Any:
    table = columns("depth\n%", "n_max", "P99 TTFT, ms\nbefore", "\nduring", "\nafter",
                    "line at\nthe end", "recovery\ns", "shed\nkW", "SLO\nduring",
                    left=0, close=True)  # fmt: skip
    for level in found.levels:
        said = level.event
        if said is not None:
            table.add_row(
                f"{level.flex_pct:g}", f"{level.n_max:,}",
                wording.milliseconds(said.before.p99_ttft_ms.estimate),
                wording.interval(said.during.p99_ttft_ms),
                wording.milliseconds(said.after.p99_ttft_ms.estimate),
                f"{said.backlog.estimate:,.0f}", _recovery(said.recovery_s),
                f"{max(0.0, said.shed_kw.estimate or 0.0):.2f}",
                {"pass": "kept", "fail": "missed"}.get(said.standing, said.standing),
            )  # fmt: skip
    return table


def _recovery(recovery_s: Interval) -> str:
    return "not seen" if recovery_s.estimate is None else wording.interval(recovery_s)


def _notes(found: GridFlex) -> Iterator[str]:
    power = found.power
    yield from known_as([(found.gpu, power.quality, power.source)])
    if any(level.flex_pct and level.meets and level.shed_kw < 0.001 * level.drawn_kw
           for level in found.levels):  # fmt: skip
        free = found.levels[0].drawn_kw + found.levels[0].shed_kw
        yield (
            f"the fleet draws {free:.2f}{wording.NO_BREAK}kW as it is, and caps above the batches "
            f"that it has shed nothing; a full fleet would draw "
            f"{found.gpus * power.watts(found.slots) / 1000:.1f}{wording.NO_BREAK}kW"
        )
    above = [level for level in found.levels if level.w_per_gpu > level.target_w * (1 + 1e-9)]
    if above:
        yield (
            f"at {above[0].flex_pct:g} % even one sequence draws more than the target, "
            f"{above[0].w_per_gpu:.0f} against {above[0].target_w:.0f}{wording.NO_BREAK}W"
        )
    if found.left_out:
        depths = ", ".join(f"{depth:g}" for depth in found.left_out)
        yield (
            f"{depths} % are left out: below the idle draw, which is "
            f"{100 * found.idle_share:.3g} % under the nominal"
        )
    short = [level for level in found.levels if level.simulated and level.simulated.too_short]
    for level in short[:1]:
        assert level.simulated is not None
        yield f"runs are too short: {level.simulated.too_short}"
    if found.shedding is not None:
        yield from levers.notes(found.shedding)
    yield from found.notes


def _row(level: GridLevel) -> dict[str, Any]:
    said = level.simulated
    return {
        "flex_pct": level.flex_pct,
        "n_max": level.n_max,
        "w_per_gpu": level.w_per_gpu,
        "fleet_kw": level.fleet_kw,
        "p99_analytic_ms": level.p99_ttft_ms,
        "p99_des_ms": None if said is None else said.p99_ttft_ms.estimate,
        "slo_met": level.slo_met,
        "rho": level.utilization,
        "most_req_per_s": level.most_per_s,
        "published_p99_analytic_ms": level.published_p99_ttft_ms,
        "drawn_kw": level.drawn_kw,
        "shed_at_cap_kw": level.shed_at_cap_kw,
        "shed_kw": level.shed_kw,
        "simulated": None if said is None else asdict(said),
        "event": None if level.event is None else asdict(level.event),
        "mix_at_cap": levers.mix_to_dict(level.mix_at_cap),
        "mix": levers.mix_to_dict(level.mix),
    }
