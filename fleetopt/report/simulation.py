"""A simulated fleet as text, JSON and CSV: the answer first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from fleetopt.performance.power import known_as
from fleetopt.plan import Interval
from fleetopt.problem import LatencyBound
from fleetopt.questions.fleets import Simulation
from fleetopt.questions.fleets.answer import PoolFigures, RequestFigures
from fleetopt.report import wording
from fleetopt.report.console import columns, first_fitting, line, section
from fleetopt.report.layout import Group, Layout, Table

SCHEMA = "fleetopt.simulation/1"
NOTHING = Interval(None, None, None)
_BUSY_LINK = 0.95
"""Share of the time from which a busy link is worth a note."""
_METRICS = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "e2e": "E2E", "wait": "wait"}
_REASONS = {
    "too_long": "too long for their pool",
    "no_pool": "too long for any pool, or of no pool's model",
    "queue_full": "met a full queue",
    "timeout": "gave up waiting",
}


def simulation_report(simulation: Simulation, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(simulation, width))


def simulation_to_dict(simulation: Simulation) -> dict[str, Any]:
    """The JSON form."""
    scenario = simulation.scenario
    return {
        "schema": SCHEMA,
        "standing": simulation.standing,
        "unstable": simulation.unstable,
        "backlog_per_s": asdict(simulation.backlog_per_s),
        "too_short": scenario.too_short,
        "slo": [bound.model_dump() for bound in scenario.stated.slo],
        "router": scenario.stated.router.text,
        "arrival_rate": scenario.arrival_rate,
        "replications": simulation.replications,
        "warmup_s": scenario.horizon.warmup_s,
        "measured_s": scenario.horizon.measured_s,
        "fleet": asdict(simulation.fleet),
        "pools": [_pool_dict(pool) for pool in simulation.pools],
        "links": [asdict(link) for link in simulation.links],
        "classes": [asdict(figures) for figures in simulation.classes],
        "notes": [*scenario.notes],
        "sources": [
            {"path": str(source.path), "sha256": source.sha256} for source in scenario.sources
        ],
        "stated": scenario.stated.model_dump(mode="json", exclude_none=True),
    }


def simulation_rows(simulation: Simulation) -> list[dict[str, Any]]:
    """One flat row for the fleet, each pool and each class."""
    pools = {id(pool.requests): pool for pool in simulation.pools}
    parts = [simulation.fleet, *(pool.requests for pool in simulation.pools), *simulation.classes]
    return [_row(part, pools.get(id(part)), simulation) for part in parts]


def standing_in_words(simulation: Simulation) -> str:
    """The verdict in a sentence."""
    stated = simulation.scenario.stated
    if simulation.standing == "unstable":
        worst = [pool.name for pool in simulation.pools if pool.unstable]
        growth = sum(pool.backlog_per_s for pool in simulation.pools if pool.unstable)
        return (
            f"Unstable: the line before {' and '.join(worst)} grows by {growth:,.3g} requests per "
            "second, and percentiles mean nothing."
        )
    words = {
        "pass": "Keeps the SLO",
        "fail": "Does not keep the SLO",
        "inconclusive": "Open whether it keeps the SLO",
        "too short": "Too short to tell",
    }[simulation.standing]
    return f"{words}: {', '.join(_attained(simulation.fleet, stated.slo))}."


def cached_share(figures: RequestFigures) -> str:
    """Share of the prompt tokens that prefix caches held."""
    return wording.share(figures.hit_tokens / max(1, figures.prompt_tokens))


def fleet_in_words(simulation: Simulation) -> str:
    """The fleet, such as '2 h100 to 4,096, 23 h100 to 65,536 behind the length router'."""
    pools = [
        f"{pool.gpus:,}{wording.NO_BREAK}{pool.gpu} to{wording.NO_BREAK}{pool.max_context:,}"
        for pool in simulation.pools
    ]
    named = simulation.scenario.stated.router.text
    return ", ".join(pools) + (f" behind the router {named}" if len(pools) > 1 else "")


def _sections(simulation: Simulation, width: int) -> Iterator[Layout]:
    yield line(standing_in_words(simulation), width, "bold")
    yield line(f"{fleet_in_words(simulation)}; {traffic_in_words(simulation)}.", width)
    yield section(
        "Pools",
        first_fitting(
            width,
            _pools(simulation),
            _pools(simulation, close=True),
            _pools(simulation, close=True, broken=True),
        ),
    )
    if simulation.fleet.latency_ms:
        yield section("Latencies of all requests, ms", _latencies(simulation))
    if simulation.links:
        yield section("Links that carry KV", _links(simulation))
    if simulation.classes:
        yield section("Classes of requests", _classes(simulation))
    notes = list(_notes(simulation))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _attained(figures: RequestFigures, slo: Sequence[LatencyBound]) -> Iterator[str]:
    for share, bound in zip(figures.attained, slo, strict=True):
        limit = f"{bound.metric.upper()} {bound.limit_ms:g}{wording.NO_BREAK}ms"
        yield (
            f"{wording.attainment(share)} of all arrivals within {limit}, "
            f"{bound.percentile:g}{wording.NO_BREAK}% wanted"
        )


def traffic_in_words(simulation: Simulation) -> str:
    """Rate, arrivals and runs, such as '20 req/s (poisson), 8 runs of 2,779 s'."""
    scenario = simulation.scenario
    stated, runs = scenario.stated, simulation.replications
    many = f"{runs} runs of" if runs > 1 else "one run of"
    length = f"{many} {scenario.horizon.measured_s:,.0f}{wording.NO_BREAK}s"
    if scenario.arrival_rate is None:
        return f"{stated.concurrency:,} clients, {length}"
    rate = f"{wording.rate(scenario.arrival_rate)}{wording.NO_BREAK}req/s"
    if stated.trace is not None:
        return f"{rate} of {stated.trace.path}, {length}"
    beside = f" and {stated.concurrency:,} clients" if stated.concurrency else ""
    return f"{rate} ({stated.arrivals}){beside}, {length}"


def _pools(simulation: Simulation, *, close: bool = False, broken: bool = False) -> Table:
    """One row for each pool; broken: intervals stand below their estimates."""
    metric = simulation.scenario.stated.slo[0].metric
    title = _METRICS[metric]
    table = columns(
        "pool", "GPU", "replicas", "context", "requests", "utili-\nzation", "busy",
        f"P50 {title}\nms", f"P99 {title}\nms", "attained", "not\nserved",
        left=2, close=close,
    )  # fmt: skip
    rows = [_pool_cells(pool, metric) for pool in simulation.pools]
    if len(simulation.pools) > 1 or simulation.fleet.rejected["no_pool"]:
        rows.append(["all", "", "", "", *_request_cells(simulation.fleet, ["", ""], metric)])
    for row in rows:
        table.add_row(*(_broken(cell) if broken else cell for cell in row))
    return table


def _broken(cell: str) -> str:
    return cell.replace(f"{wording.NO_BREAK}[", "\n[")


def _pool_cells(pool: PoolFigures, metric: str) -> list[str]:
    first = [pool.name, pool.gpu, f"{pool.replicas:,}", f"{pool.max_context:,}"]
    use = [wording.share(pool.utilization.estimate), wording.share(pool.busy.estimate)]
    return first + _request_cells(pool.requests, use, metric)


def _request_cells(figures: RequestFigures, use: list[str], metric: str) -> list[str]:
    found = figures.latency_ms.get(metric, {})
    lost = figures.arrivals - figures.completed + figures.truncated
    worst = min(figures.attained, key=lambda share: share.estimate or 0.0)
    return [
        f"{figures.arrivals:,}",
        *use,
        wording.milliseconds(found.get("p50", NOTHING).estimate) if found else "unstable",
        wording.interval(found.get("p99", NOTHING)) if found else "unstable",
        wording.attainment(worst),
        f"{lost:,}",
    ]


def _latencies(simulation: Simulation) -> Table:
    labels = list(next(iter(simulation.fleet.latency_ms.values())))
    table = columns("", *(label.upper() for label in labels))
    for metric, found in simulation.fleet.latency_ms.items():
        cells = [wording.milliseconds(found[label].estimate) for label in labels[:-2]]
        table.add_row(
            _METRICS[metric], *cells, *(wording.interval(found[label]) for label in labels[-2:])
        )
    for pool in simulation.pools:
        found = pool.requests.latency_ms.get("itl", {})
        if any(value.estimate is not None for value in found.values()):
            values = (wording.milliseconds(found[label].estimate) for label in labels)
            table.add_row(f"ITL, {pool.name}", *values)
    return table


def _links(simulation: Simulation) -> Table:
    table = columns(
        "from", "to", "lines", "busy", "transfers", "GB\nsent", "GB\nlost", "P50\nms", "P99\nms",
        left=2,
    )  # fmt: skip
    for link in simulation.links:
        found = link.transfer_ms
        table.add_row(
            link.source, link.target, f"{link.lines:,}", wording.share(link.busy.estimate),
            f"{link.transfers:,}", f"{link.sent_gb:,.0f}", f"{link.lost_gb:,.3g}",
            wording.milliseconds(found.get("p50", NOTHING).estimate),
            wording.interval(found.get("p99", NOTHING)),
        )  # fmt: skip
    return table


def _classes(simulation: Simulation) -> Table:
    metric = simulation.scenario.stated.slo[0].metric
    title = _METRICS[metric]
    table = columns(
        "class", "requests", f"P50 {title}\nms", f"P99 {title}\nms", "attained", "not\nserved"
    )
    for figures in simulation.classes:
        table.add_row(f"{figures.kind} {figures.name}", *_request_cells(figures, [], metric))
    return table


def _notes(simulation: Simulation) -> Iterator[str]:
    scenario, fleet = simulation.scenario, simulation.fleet
    if scenario.too_short:
        yield f"too short: {scenario.too_short}; raise --n-req or leave it out"
    yield from scenario.notes
    for reason, count in fleet.rejected.items():
        if count:
            yield f"{_of_all(count, fleet)} were turned away: {_REASONS[reason]}"
    if fleet.truncated:
        yield f"{_of_all(fleet.truncated, fleet)} were cut off at their pool's context window"
    if fleet.unfinished:
        yield f"{_of_all(fleet.unfinished, fleet)} were unfinished at the end"
    if any(pool.prefix_cache_tokens for pool in scenario.fleet.pools):
        yield f"{cached_share(fleet)} of all prompt tokens were found in prefix caches"
    for link in simulation.links:
        if (link.busy.estimate or 0.0) > _BUSY_LINK:
            share = wording.share(link.busy.estimate)
            yield f"the link from {link.source} to {link.target} is busy {share} of the time"
    if fleet.preemptions:
        yield f"{fleet.preemptions:,} preemptions for want of KV blocks"
    if fleet.restarts:
        up = min(pool.up.estimate or 0.0 for pool in simulation.pools)
        yield f"{fleet.restarts:,} requests were restarted after failures; replicas were up at " \
              f"least {wording.share(up, 2)} of the time"  # fmt: skip
    power = [pool.power_w.estimate or 0.0 for pool in simulation.pools if pool.power_w]
    if len(power) == len(simulation.pools):
        yield f"the GPUs draw {sum(power) / 1000:,.2f}{wording.NO_BREAK}kW on average"
        yield from known_as(
            (pool.gpu, pool.power_quality or "LOW", pool.power_source or "")
            for pool in simulation.pools
        )
    if simulation.replications == 1:
        yield "one run: every run would be the same, so there are no intervals" \
            if scenario.is_replay else "one run has no intervals"  # fmt: skip


def _of_all(count: int, fleet: RequestFigures) -> str:
    return f"{count:,} of {fleet.arrivals:,} requests ({wording.share(count / fleet.arrivals, 2)})"


def _pool_dict(pool: PoolFigures) -> dict[str, Any]:
    plain = asdict(pool)
    return {"name": pool.name, **plain}


def _row(
    figures: RequestFigures, pool: PoolFigures | None, simulation: Simulation
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": figures.kind,
        "name": figures.name,
        "standing": simulation.standing,
        "arrivals": figures.arrivals,
        "completed": figures.completed,
        "truncated": figures.truncated,
        "unfinished": figures.unfinished,
        **{f"rejected_{reason}": count for reason, count in figures.rejected.items()},
    }
    for i, share in enumerate(figures.attained):
        bound = simulation.scenario.stated.slo[i].text.replace(" ", "_")
        row |= _flat(f"attained_{bound}", share)
    for metric in _METRICS:
        for label in ("p50", "p90", "p95", "p99", "p99.9"):
            found = figures.latency_ms.get(metric, {}).get(label, NOTHING)
            row |= _flat(f"{label}_{metric}_ms", found)
    row |= _flat("misrouted", figures.misrouted) | _flat("goodput_per_s", figures.goodput_per_s)
    row["output_tokens_per_s"] = figures.output_tokens_per_s
    for key in ("preemptions", "restarts", "prompt_tokens", "hit_tokens"):
        row[key] = getattr(figures, key)
    for key in ("gpu", "replicas", "gpus", "max_context", "slots", "unstable", "backlog_per_s"):
        row[key] = getattr(pool, key) if pool else None
    for key in ("utilization", "busy", "kv_use", "up", "power_w"):
        row |= _flat(key, (getattr(pool, key) if pool else None) or NOTHING)
    return row


def _flat(key: str, value: Interval) -> dict[str, float | None]:
    return {key: value.estimate, f"{key}_low": value.low, f"{key}_high": value.high}
