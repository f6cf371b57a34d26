"""A frontier as text, JSON and CSV: the answer first, then every point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from fleetopt.plan import Interval, Pool
from fleetopt.questions.frontier import Axis, Frontier, FrontierPoint
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout
from fleetopt.verification import METRICS_OF

SCHEMA = "fleetopt.frontier/1"
_WORDS: dict[str, Callable[[float], str]] = {
    "cost": lambda value: f"{wording.money(value)} a year",
    "gpus": lambda value: wording.counted(round(value), "GPU"),
    "power": lambda value: f"{value:,.2f}{wording.NO_BREAK}kW",
    "mean-power": lambda value: f"{value:,.2f}{wording.NO_BREAK}kW on average",
    "energy": lambda value: f"{value:,.2f}{wording.NO_BREAK}MWh a year",
    "carbon": lambda value: f"{value:,.3f}{wording.NO_BREAK}t a year",
}
_COLUMNS = {
    "cost": "cost_usd_per_year", "gpus": "gpus_bought", "power": "power_kw",
    "mean-power": "mean_power_kw", "energy": "energy_mwh_per_year",
    "carbon": "carbon_tonnes_per_year",
}  # fmt: skip
_PLACES = {"gpus": 0, "power": 2, "mean-power": 2, "energy": 2, "carbon": 3}
"""Decimals of sums in the table."""


def frontier_report(frontier: Frontier, width: int, show: Sequence[str] = ()) -> Group:
    """The whole report; show: "dominated" and "refused" add what they name."""
    return Group(*_sections(frontier, width, show))


def frontier_to_dict(frontier: Frontier) -> dict[str, Any]:
    """The JSON form."""
    knee = frontier.knee
    return {
        "schema": SCHEMA,
        "objectives": [asdict(axis) for axis in frontier.axes],
        "bounded": frontier.bounded,
        "knee": None if knee is None else frontier.points.index(knee),
        "points": [_point(point, frontier) for point in frontier.points],
        "refused": [_point(point, frontier) for point in frontier.refused],
        "dominated": [_point(point, frontier) for point in frontier.dominated],
        "notes": list(frontier.notes),
        "problem": frontier.problem.model_dump(mode="json", exclude_none=True),
    }


def frontier_rows(frontier: Frontier, show: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One flat row for each point, those that are shown beside them with their kind."""
    rows = []
    for kind, points in (("point", frontier.points), *_shown(frontier, show)):
        for point in points:
            said = _simulated(point, "ttft")
            row: dict[str, Any] = {"kind": kind, **_values(point, frontier)}
            row |= {
                "usd_per_year": point.usd_per_year,
                "gpus": point.fleet.gpus,
                "fleet": wording.fleet(point.fleet).replace(wording.NO_BREAK, " "),
                "disaggregated": point.is_disaggregated,
                "prefill_pools": _named(first for first, _ in point.fleet.pairs),
                "decode_pools": _named(second for _, second in point.fleet.pairs),
                "epsilon": point.epsilon,
                "gap": point.gap,
                "termination": point.termination,
                "verdict": point.verdict,
                "simulated_p99_ttft_ms": said.estimate,
                "simulated_p99_ttft_ms_low": said.low,
                "simulated_p99_ttft_ms_high": said.high,
            }
            rows.append(row)
    return rows


def column_name(axis: Axis) -> str:
    """The name of an objective with its unit, such as 'p99_ttft_ms'."""
    if axis.percentile is not None:
        return f"p{axis.percentile:g}_{axis.objective}_ms"
    return _COLUMNS[axis.objective]


def value_in_words(axis: Axis, value: float) -> str:
    """A value with its unit, such as '140.9 K$ a year'."""
    words = _WORDS.get(axis.objective)
    return words(value) if words else f"{wording.milliseconds(value)}{wording.NO_BREAK}ms"


def _sections(frontier: Frontier, width: int, show: Sequence[str]) -> Iterator[Layout]:
    first, second = frontier.axes
    answer, *rest = _answer(frontier)
    yield line(answer, width, "bold")
    yield from (line(text, width) for text in rest)
    if frontier.points:
        title = f"Points: {first.label} against {second.label}, by the table"
        yield section(title, _table(frontier, frontier.points))
    for kind, points in _shown(frontier, show):
        if points:
            titles = {"refused": "Refused by simulation", "dominated": "Dominated: cheap fleets "
                      "that a point beats"}  # fmt: skip
            yield section(titles[kind], _table(frontier, points))
    notes = list(_notes(frontier, show))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _answer(frontier: Frontier) -> Iterator[str]:
    first, second = frontier.axes
    counted = wording.counted(len(frontier.points), "point")
    yield f"{counted} on the frontier of {first.label} and {second.label}{_verdict(frontier)}."
    if not frontier.points:
        return
    yield f"Least {_inside(first)}: {_described(frontier, frontier.points[0])}."
    if len(frontier.points) > 1:
        yield f"Least {_inside(second)}: {_described(frontier, frontier.points[-1])}."
    if frontier.knee is not None:
        yield f"Knee: {_described(frontier, frontier.knee)}."
    if frontier.problem.phases != "together":
        apart = sum(point.is_disaggregated for point in frontier.points)
        yield f"{apart} of {counted} prefill on some GPUs and decode on others."


def _verdict(frontier: Frontier) -> str:
    if any(point.verification is None for point in frontier.points):
        return ", by the tables alone"
    verdicts = {point.verdict for point in frontier.points}
    if verdicts == {"pass"}:
        return ", each accepted by simulation"
    return "; simulation says " + " and ".join(sorted(verdicts)) if verdicts else ""


def _described(frontier: Frontier, point: FrontierPoint) -> str:
    first, second = (
        value_in_words(*pair) for pair in zip(frontier.axes, point.values, strict=True)
    )
    return f"{first} and {second}, {wording.fleet(point.fleet)}"


def _named(pools: Iterable[Pool]) -> str:
    """Pools with their machines, such as 'pool-1-prefill: 3 h100'."""
    named = (f"{pool.name}: {wording.machines(pool)}" for pool in pools)
    return "; ".join(named).replace(wording.NO_BREAK, " ")


def _inside(axis: Axis) -> str:
    return axis.label if axis.label.isupper() or axis.percentile else axis.label.lower()


def _table(frontier: Frontier, points: Sequence[FrontierPoint]) -> Any:
    first, second = frontier.axes
    extra = [] if "cost" in (first.objective, second.objective) else ["$/yr"]
    verified = any(point.verification for point in points)
    simulated = ["P99 TTFT\nsimulated, ms", "verdict"] if verified else []
    table = columns(
        "fleet", _heading(first), _heading(second), *extra, *simulated,
        left=1, wrapped="fleet", close=True,
    )  # fmt: skip
    for point in points:
        cells = [
            _cell(axis, value) for axis, value in zip(frontier.axes, point.values, strict=True)
        ]
        cells += [wording.money(point.usd_per_year)] if extra else []
        if verified:
            cells += [wording.interval(_simulated(point, "ttft")), point.verdict]
        style = "bold" if point is frontier.knee else ""
        table.add_row(wording.fleet(point.fleet), *cells, style=style)
    return table


def _heading(axis: Axis) -> str:
    return f"{axis.label}\n{'$/yr' if axis.objective == 'cost' else axis.unit}"


def _cell(axis: Axis, value: float) -> str:
    if axis.objective == "cost":
        return wording.money(value)
    if axis.objective in _PLACES:
        return f"{value:,.{_PLACES[axis.objective]}f}"
    return wording.milliseconds(value)


def _notes(frontier: Frontier, show: Sequence[str]) -> Iterator[str]:
    if any(point.termination != "optimal" for point in frontier.points):
        worst = max(point.gap for point in frontier.points)
        yield f"the solver stopped early; gaps are at most {wording.share(worst, 2)}"
    if frontier.refused and "refused" not in show:
        refused = wording.counted(len(frontier.refused), "fleet")
        yield f"simulation refused {refused} on the way; --show refused lists them"
    yield from frontier.notes


def _shown(
    frontier: Frontier, show: Sequence[str]
) -> Iterator[tuple[str, tuple[FrontierPoint, ...]]]:
    if "refused" in show:
        yield "refused", frontier.refused
    if "dominated" in show:
        yield "dominated", frontier.dominated


def _simulated(point: FrontierPoint, metric: str) -> Interval:
    """The simulated P99 of the worst pool that is held to the latency."""
    nothing = Interval(None, None, None)
    if point.verification is None:
        return nothing
    seen = [
        getattr(said, f"p99_{metric}_ms")
        for pool, said in zip(point.fleet.pools, point.verification.pools, strict=True)
        if metric in METRICS_OF[pool.phase]
    ]
    if any(interval.estimate is None for interval in seen):
        return nothing
    worst: Interval = max(seen, key=lambda interval: interval.estimate)
    return worst


def _values(point: FrontierPoint, frontier: Frontier) -> dict[str, float]:
    names = [column_name(axis) for axis in frontier.axes]
    return dict(zip(names, point.values, strict=True))


def _point(point: FrontierPoint, frontier: Frontier) -> dict[str, Any]:
    """A point with its values by name; the fleet and the verification as in a plan."""
    plain = asdict(point)
    plain["values"] = _values(point, frontier)
    plain["disaggregated"] = point.is_disaggregated
    plain["pairs"] = [{"prefill": p.name, "decode": d.name} for p, d in point.fleet.pairs]
    plain["simulated_p99_ttft_ms"] = asdict(_simulated(point, "ttft"))
    plain["simulated_p99_tpot_ms"] = asdict(_simulated(point, "tpot"))
    return {**plain, "verdict": point.verdict}
