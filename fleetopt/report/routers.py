"""Compared routers as text, JSON and CSV: the verdict first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.plan import Interval
from fleetopt.questions.fleets import RouterComparison
from fleetopt.questions.fleets.comparison import RoutedFleet, p99_ms
from fleetopt.report import wording
from fleetopt.report.console import columns, first_fitting, line, section
from fleetopt.report.layout import Group, Layout, Table
from fleetopt.report.simulation import cached_share, simulation_to_dict

SCHEMA = "fleetopt.router-comparison/1"


def routers_report(comparison: RouterComparison, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(comparison, width))


def routers_to_dict(comparison: RouterComparison) -> dict[str, Any]:
    """The JSON form; the rows have the published names, and more beside them."""
    return {
        "schema": SCHEMA,
        "best": comparison.routers[comparison.best].title,
        "rows": [_json_row(routed) for routed in comparison.routers],
        "simulations": [simulation_to_dict(routed.simulation) for routed in comparison.routers],
    }


def router_rows(comparison: RouterComparison) -> list[dict[str, Any]]:
    """One flat row for each router."""
    rows = []
    for routed in comparison.routers:
        row = _json_row(routed)
        use = row.pop("utilization")
        rows.append(row | {f"utilization_{name}": share for name, share in use.items()})
    return rows


def _sections(comparison: RouterComparison, width: int) -> Iterator[Layout]:
    yield line(_verdict(comparison), width, "bold")
    for routed in comparison.routers:
        if routed is not comparison.routers[comparison.best]:
            yield line(_beside(routed, comparison), width)
    yield section(
        "Routers, on the same arrivals",
        first_fitting(width, _table(comparison), _table(comparison, close=True)),
    )
    notes = list(_notes(comparison))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _verdict(comparison: RouterComparison) -> str:
    if any(routed.simulation.standing == "too short" for routed in comparison.routers):
        return "Too short to tell which router keeps the SLO, and which is best."
    keep = [r.title for r in comparison.routers if r.simulation.standing == "pass"]
    best = comparison.routers[comparison.best]
    share = wording.attainment(_worst(best))
    said = {0: "No router keeps the SLO", len(comparison.routers): "All keep the SLO"}
    kept = said.get(len(keep), f"{' and '.join(keep)} {_verb(keep)} the SLO")
    return f"{kept}. Best is {best.title}: {share} of all arrivals within the bound."


def _verb(names: list[str]) -> str:
    return "keeps" if len(names) == 1 else "keep"


def _beside(routed: RoutedFleet, comparison: RouterComparison) -> str:
    best = comparison.routers[comparison.best].title
    less, more = routed.attainment_less, routed.p99_more_ms
    parts = []
    if less.estimate == 0.0:
        parts.append(f"attains as much as {best}")
    elif less.estimate is not None:
        parts.append(f"attains {_points(less)} less than {best}")
    if routed.simulation.unstable:
        parts.append("is unstable")
    if more.estimate is not None:
        metric = routed.simulation.scenario.stated.slo[0].metric.upper()
        word = "more" if more.estimate >= 0 else "less"
        parts.append(
            f"has a P99 {metric} of {_milliseconds(more)} ms {word}{_of_completed(routed)}"
        )
    return f"{routed.title} {' and '.join(parts)}."


def _of_completed(routed: RoutedFleet) -> str:
    """A percentile of completed requests leaves out those that were turned away."""
    figures = routed.simulation.fleet
    if figures.completed == figures.arrivals:
        return ""
    return ", of the requests that it completes"


def _points(value: Interval) -> str:
    ends = ""
    if value.low is not None and value.high is not None:
        ends = f"{wording.NO_BREAK}[{100 * value.low:.3f},{wording.NO_BREAK}{100 * value.high:.3f}]"
    return f"{100 * (value.estimate or 0.0):.3f}{ends} points"


def _milliseconds(value: Interval) -> str:
    """A difference by its size, the interval turned with it."""
    if (value.estimate or 0.0) < 0:
        ends = [None if end is None else -end for end in (value.estimate, value.high, value.low)]
        value = Interval(*ends)
    return wording.interval(value)


def _table(comparison: RouterComparison, *, close: bool = False) -> Table:
    pools = comparison.routers[0].simulation.pools
    metric = comparison.routers[0].simulation.scenario.stated.slo[0].metric.upper()
    table = columns(
        "router", "attained", f"P99 {metric}\nms", "sent where\nthey do not fit",
        *(f"{pool.name}\nused" for pool in pools), "verdict", close=close,
    )  # fmt: skip
    for i, routed in enumerate(comparison.routers):
        simulation = routed.simulation
        p99 = "unstable" if simulation.unstable else wording.interval(p99_ms(simulation))
        table.add_row(
            routed.title,
            wording.attainment(_worst(routed)),
            p99,
            wording.share(simulation.fleet.misrouted.estimate, 2),
            *(wording.share(pool.utilization.estimate) for pool in simulation.pools),
            simulation.standing,
            style="bold" if i == comparison.best else "",
        )
    return table


def _notes(comparison: RouterComparison) -> Iterator[str]:
    first = comparison.routers[0].simulation
    scenario = first.scenario
    if scenario.too_short:
        yield f"too short: {scenario.too_short}; raise --n-req or leave it out"
    yield from scenario.notes
    runs = wording.counted(first.replications, "run")
    yield f"{runs} of {scenario.horizon.measured_s:,.0f} s each; differences are taken run by run"
    if any(pool.prefix_cache_tokens for pool in scenario.fleet.pools):
        hits = [f"{r.title} {cached_share(r.simulation.fleet)}" for r in comparison.routers]
        yield f"prompt tokens that were found in prefix caches: {', '.join(hits)}"
    if any(r.simulation.fleet.completed < r.simulation.fleet.arrivals for r in comparison.routers):
        yield "a percentile is of completed requests; who is turned away has missed the SLO, " \
              "and counts in the share that is attained"  # fmt: skip


def _worst(routed: RoutedFleet) -> Interval:
    return min(routed.simulation.fleet.attained, key=lambda share: share.estimate or 0.0)


def _json_row(routed: RoutedFleet) -> dict[str, Any]:
    simulation = routed.simulation
    p99, share, fleet = p99_ms(simulation), _worst(routed), simulation.fleet
    return {
        "router": routed.title,
        "p99_ms": p99.estimate,
        "p99_ms_low": p99.low,
        "p99_ms_high": p99.high,
        **_percent("slo_pct", share),
        "slo_met": simulation.standing == "pass",
        "standing": simulation.standing,
        **_percent("misrouted_pct", fleet.misrouted),
        **_percent("slo_pct_less", routed.attainment_less),
        "p99_ms_more": routed.p99_more_ms.estimate,
        "p99_ms_more_low": routed.p99_more_ms.low,
        "p99_ms_more_high": routed.p99_more_ms.high,
        "arrivals": fleet.arrivals,
        "completed": fleet.completed,
        "rejected": sum(fleet.rejected.values()),
        "unfinished": fleet.unfinished,
        "utilization": {pool.name: pool.utilization.estimate for pool in simulation.pools},
    }


def _percent(key: str, value: Interval) -> dict[str, float | None]:
    found = asdict(value)
    ends = {"estimate": key, "low": f"{key}_low", "high": f"{key}_high"}
    return {ends[end]: None if number is None else 100.0 * number for end, number in found.items()}
