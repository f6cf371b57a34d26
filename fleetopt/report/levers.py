"""Mixes of levers as text and JSON: how deep each goes, and the cheapest mix for each depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.questions.energy.grid import GridFlex
from fleetopt.questions.energy.levers import Mix
from fleetopt.questions.energy.mixing import LeverDepth
from fleetopt.questions.energy.shedding import Shedding
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Layout

_ALONE = ("cap", "replicas off", "deferral")
_SAFE_PCT = 0.5
"""Percent below which a lever sheds nothing to speak of."""


def answer(shed: Shedding) -> Iterator[str]:
    """How deep all levers go, of what the fleet really draws, and which of them do it."""
    by = {depth.levers: depth for depth in shed.depths}
    if by["all"].shed_pct is None:
        yield "No mix of caps, replicas off and deferred requests keeps the SLO."
        return
    alone = ", ".join(f"{name} {_pct(by[name].shed_pct)}" for name in _ALONE)
    yield (
        f"Of its real draw the fleet sheds at most {_pct(by['all'].shed_pct)} by all levers "
        f"together; one by one: {alone}."
    )


def sections(found: GridFlex, shed: Shedding, width: int) -> Iterator[Layout]:
    """How deep the levers go, and the cheapest mixes by both counts."""
    yield section("Largest safe depth by lever, by the table", _depths(shed))
    yield section(
        f"Cheapest mix for each depth of the real draw, {shed.minutes:g} minutes",
        _mixes(found, [(level.flex_pct, level.mix) for level in found.levels]),
        line(_why(shed, lambda depth: depth.shed_pct), width),
    )
    yield section(
        f"Cheapest mix for each depth at the cap, {shed.minutes:g} minutes",
        _mixes(found, [(level.flex_pct, level.mix_at_cap) for level in found.levels]),
        line(_why(shed, lambda depth: depth.at_cap_pct), width),
    )


def notes(shed: Shedding) -> Iterator[str]:
    """What the levers are taken to cost, and what was refused."""
    terms = shed.terms
    priced = terms.usd_per_deferred or terms.usd_per_switch
    costs = (
        f"a deferred request costs {terms.usd_per_deferred:g} USD and a replica that goes off and "
        f"on again {terms.usd_per_switch:g} USD"
        if priced
        else "no lever has a price (--defer-usd, --switch-usd)"
    )
    yield (
        f"{costs}; of mixes that cost the same the report takes the one that defers least, then "
        f"the one with fewest replicas off, then the one with the largest cap; at most "
        f"{100 * terms.most_deferred:g} % may be deferred (--defer-most)"
    )
    yield (
        "replicas that are off draw nothing, and those left on are within the utilization cap "
        "without a cap on batches; deferred requests come back when the power does, beyond what "
        "is counted here"
    )
    if shed.refused:
        said = "; ".join(
            f"batches of {bad.cap} on {bad.replicas} replicas, {100 * bad.deferred:.0f} % deferred"
            for bad in shed.refused
        )
        yield f"refused, kept by the table and not in the simulated event: {said}"


def levers_to_dict(shed: Shedding) -> dict[str, Any]:
    """Depths by lever, terms, and the mixes that a simulated event refused."""
    return {
        "minutes": shed.minutes,
        "terms": asdict(shed.terms),
        "depths": [asdict(depth) for depth in shed.depths],
        "refused": [asdict(bad) for bad in shed.refused],
    }


def mix_to_dict(mix: Mix | None) -> dict[str, Any] | None:
    """A mix with its levers beside its figures."""
    if mix is None:
        return None
    figures = asdict(mix)
    return {**figures.pop("levers"), **figures}


def flat_mix(name: str, mix: dict[str, Any] | None) -> dict[str, Any]:
    """A mix in one line; empty cells without one."""
    keys = ("cap", "replicas", "off", "deferred", "usd", "at_cap_kw", "drawn_kw", "p99_ttft_ms")
    said = {f"{name}_{key}": None if mix is None else mix[key] for key in keys}
    event = None if mix is None else mix["event"]
    return said | {f"{name}_event_standing": None if event is None else event["standing"]}


def _pct(value: float | None) -> str:
    return wording.NOTHING if value is None else f"{value:.1f}{wording.NO_BREAK}%"


def _depths(shed: Shedding) -> Any:
    table = columns("lever", "of the draw\nat the cap", "of the\nreal draw", left=1)
    for depth in shed.depths:
        table.add_row(depth.levers, _pct(depth.at_cap_pct), _pct(depth.shed_pct))
    return table


def _mixes(found: GridFlex, mixes: list[tuple[float, Mix | None]]) -> Any:
    table = columns(
        "depth\n%", "cap", "replicas\noff", "deferred", "USD", "at the cap\nkW", "really\nkW",
        "P99 TTFT\nms", "event P99\nms", "SLO", left=0, close=False,
    )  # fmt: skip
    for depth, mix in mixes:
        if mix is None:
            table.add_row(f"{depth:g}", *[wording.NOTHING] * 8, "missed")
            continue
        event, levers = mix.event, mix.levers
        table.add_row(
            f"{depth:g}", f"{levers.cap:,}" if levers.cap < found.slots else "none",
            f"{mix.off:,}" if mix.off else "none",
            wording.share(levers.deferred, 0) if levers.deferred else "none",
            f"{mix.usd:,.2f}", f"{mix.at_cap_kw:.1f}", f"{mix.drawn_kw:.2f}",
            wording.milliseconds(mix.p99_ttft_ms),
            wording.NOTHING if event is None
            else wording.milliseconds(event.during.p99_ttft_ms.estimate),
            "kept" if event is None else {"pass": "kept", "fail": "missed"}.get(event.standing,
                                                                                event.standing),
        )  # fmt: skip
    return table


def _why(shed: Shedding, pct: Callable[[LeverDepth], float | None]) -> str:
    """Why these levers: what is out of reach without the next."""
    by = {depth.levers: pct(depth) for depth in shed.depths}
    cap, both, all_pct = by["cap"], by["cap and replicas off"], by["all"]
    if all_pct is None:
        return "No mix keeps the SLO."
    said = []
    if cap is None:
        said.append("No cap keeps the SLO with all replicas and requests")
    elif cap < _SAFE_PCT:
        said.append("A cap sheds nothing while the fleet keeps up, so that replicas go off")
    else:
        said.append(f"A cap alone sheds up to {_pct(cap)}; beyond, replicas go off as well")
    if both is not None and all_pct > both:
        said.append(f"beyond {_pct(both)} requests have to be deferred, up to {_pct(all_pct)}")
    return "; ".join(said) + "."
