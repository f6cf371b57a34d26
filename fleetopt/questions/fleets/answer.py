"""What simulations of a fleet say: the fleet, its pools, and classes of requests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fleetopt.plan import Interval
from fleetopt.questions.fleets.links import LinkFigures, link_figures
from fleetopt.questions.fleets.scenario import Scenario
from fleetopt.simulation.fleet_results import PERCENTILES, FleetResult
from fleetopt.simulation.fleet_run import METRICS, FleetRun
from fleetopt.simulation.records import Floats
from fleetopt.simulation.statistics import MeanInterval, mean_interval

Standing = Literal["pass", "fail", "inconclusive", "unstable", "too short"]


@dataclass(frozen=True)
class RequestFigures:
    """The measured requests of the fleet or of a part of them.

    kind: "fleet", "pool", "model", "category", "nodes" for arrivals while all nodes are up
        and for those while some node is down, or "from" for open arrivals and for clients.
    arrivals: over all replications, the sum of completed, rejected and unfinished ones.
    truncated: completed ones that were cut off at the end of their pool's context window.
    rejected: by reason: "too_long" for the pool that they were sent to, "no_pool" for any,
        "queue_full" and "timeout".
    latency_ms: by metric ("ttft", "tpot", "e2e", "wait", for pools "itl" too) and percentile
        ("p50" to "p99.9"), of completed requests; empty where a pool is unstable.
    attained: share of arrivals within each bound, in the order of the SLO.
    misrouted: share of arrivals sent to a pool where they do not fit.
    prompt_tokens, hit_tokens: of all arrivals, and of those found in prefix caches.
    goodput_per_s, output_tokens_per_s: requests within every bound, and tokens of completed
        ones, per second.
    """

    kind: str
    name: str
    arrivals: int
    completed: int
    truncated: int
    rejected: Mapping[str, int]
    unfinished: int
    latency_ms: Mapping[str, Mapping[str, Interval]]
    attained: tuple[Interval, ...]
    misrouted: Interval
    goodput_per_s: Interval
    output_tokens_per_s: float
    preemptions: int
    restarts: int
    prompt_tokens: int
    hit_tokens: int


@dataclass(frozen=True)
class PoolFigures:
    """A pool and what its replicas did.

    utilization: mean batch over what it can hold. busy: share of the time with a batch.
    kv_use: share of KV blocks, or slots, held. up: share of the time that replicas are up.
    power_w: mean draw of all its GPUs; joules_per_token: of completed output; power_quality,
    power_source: of the curve; None without a power curve.
    unstable: whether the backlog grew without end; backlog_per_s: its growth.
    replica_busy, replica_work: of each replica, share of the time with a batch, and
    sequence-iterations per second.
    """

    requests: RequestFigures
    gpu: str
    replicas: int
    gpus: int
    max_context: int
    slots: int
    utilization: Interval
    busy: Interval
    kv_use: Interval
    up: Interval
    power_w: Interval | None
    joules_per_token: float | None
    power_quality: str | None
    power_source: str | None
    lost_tokens: int
    unstable: bool
    backlog_per_s: float
    replica_busy: tuple[float, ...]
    replica_work: tuple[float, ...]

    @property
    def name(self) -> str:
        """Name of the pool."""
        return self.requests.name


@dataclass(frozen=True)
class Simulation:
    """The answer of a simulation.

    standing: of all requests together: "pass" or "fail" where every interval of the attainment
        lies above its percentile, or one below; "unstable" and "too short" come first.
    backlog_per_s: growth of the waiting line of all pools, in requests per second.
    runs: of each replication, with the pools' time series.
    """

    scenario: Scenario
    standing: Standing
    fleet: RequestFigures
    pools: tuple[PoolFigures, ...]
    classes: tuple[RequestFigures, ...]
    backlog_per_s: Interval
    runs: tuple[FleetRun, ...]
    links: tuple[LinkFigures, ...] = ()

    @property
    def unstable(self) -> bool:
        """Whether a pool's backlog grew without end."""
        return self.standing == "unstable"

    @property
    def replications(self) -> int:
        """How many runs there were."""
        return len(self.runs)


def answer_of(scenario: Scenario, runs: Sequence[FleetRun]) -> Simulation:
    """What replications of a scenario say together."""
    bounds = scenario.stated.slo
    result = FleetResult(scenario.fleet, tuple(bounds), tuple(runs))
    unstable = result.unstable
    fleet = _requests(result, "fleet", unstable)
    return Simulation(
        scenario=scenario,
        standing="unstable" if unstable else _standing(scenario, result, fleet),
        fleet=fleet,
        pools=tuple(_pool(scenario, result, p) for p in range(len(scenario.fleet.pools))),
        classes=tuple(_requests(result, group, unstable) for group in _classes(runs)),
        backlog_per_s=interval(result.growth_per_s()),
        runs=tuple(runs),
        links=link_figures(runs),
    )


def interval(
    value: MeanInterval, scale: float = 1.0, least: float = -math.inf, most: float = math.inf
) -> Interval:
    """An interval in other units and within limits; None where there is none."""
    estimate, low, high = (scale * x for x in (value.estimate, value.low, value.high))
    if not math.isfinite(estimate):
        return Interval(None, None, None)
    if not math.isfinite(high - low):
        return Interval(estimate, None, None)
    return Interval(estimate, max(least, low), min(most, high))


def _standing(scenario: Scenario, result: FleetResult, fleet: RequestFigures) -> Standing:
    if scenario.too_short:
        return "too short"
    within = list(zip(fleet.attained, result.bounds, strict=True))
    if any(_end(share, "high") < bound.percentile / 100.0 for share, bound in within):
        return "fail"
    if all(_end(share, "low") >= bound.percentile / 100.0 for share, bound in within):
        return "pass"
    return "inconclusive"


def _end(share: Interval, end: Literal["low", "high"]) -> float:
    """An end of an interval; the estimate where there is none."""
    value = getattr(share, end)
    if value is None:
        value = share.estimate
    return math.nan if value is None else float(value)


def _classes(runs: Sequence[FleetRun]) -> list[str]:
    """Groups by model, category, outages and sender, where there are several."""
    models, categories, nodes, senders = (
        [group for group in runs[0].groups if group.startswith(f"{kind} ")]
        for kind in ("model", "category", "nodes", "from")
    )
    same = [g.split(" ", 1)[1] for g in models] == [g.split(" ", 1)[1] for g in categories]
    met = [group for group in nodes if any(run.groups[group].arrivals for run in runs)]
    shown = [models, met, senders] if same else [models, categories, met, senders]
    return [group for groups in shown if len(groups) > 1 for group in groups]


def _requests(result: FleetResult, group: str, unstable: bool) -> RequestFigures:
    kind, _, name = group.partition(" ")
    parts = result.groups(group)
    metrics = (*METRICS, "itl") if kind == "pool" else METRICS
    latency = {m: _latency(result, m, group) for m in metrics}
    single = len(result.runs) == 1
    shares = [result.attainment(i, group) for i in range(len(result.bounds))]
    counted_s = sum(run.counted_s for run in result.runs)
    return RequestFigures(
        kind=kind,
        name=name,
        arrivals=sum(part.arrivals for part in parts),
        completed=sum(part.completed for part in parts),
        truncated=sum(part.truncated for part in parts),
        rejected={
            reason.name.lower(): sum(part.rejected[reason] for part in parts)
            for reason in parts[0].rejected
        },
        unfinished=sum(part.unfinished for part in parts),
        latency_ms={} if unstable else latency,
        attained=tuple(_without_ends(interval(share), single) for share in shares),
        misrouted=_share(result, group),
        goodput_per_s=interval(result.goodput_per_s(group), least=0.0),
        output_tokens_per_s=sum(part.output_tokens for part in parts) / counted_s,
        preemptions=sum(part.preemptions for part in parts),
        restarts=sum(part.restarts for part in parts),
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        hit_tokens=sum(part.hit_tokens for part in parts),
    )


def _without_ends(share: Interval, single: bool) -> Interval:
    """A single run has no interval."""
    return Interval(share.estimate, None, None) if single else share


def _share(result: FleetResult, group: str) -> Interval:
    if not any(part.arrivals for part in result.groups(group)):
        return Interval(None, None, None)
    return interval(result.share("misrouted", group), least=0.0, most=1.0)


def _latency(result: FleetResult, metric: str, group: str) -> dict[str, Interval]:
    return {
        f"p{p:g}": interval(result.latency_s(metric, p, group), 1000.0, least=0.0)
        for p in PERCENTILES
    }


def _pool(scenario: Scenario, result: FleetResult, p: int) -> PoolFigures:
    pool, profile = scenario.fleet.pools[p], scenario.profiles[p]
    seen = [run.pools[pool.name] for run in result.runs]
    unstable = result.is_unstable(pool.name)
    requests = _requests(result, f"pool {pool.name}", unstable)
    measured_s = sum(run.measured_s for run in result.runs)
    energy = [run.energy_j for run in seen if run.energy_j is not None]
    power = [e / run.measured_s for e, run in zip(energy, result.runs, strict=False)]
    tokens = requests.output_tokens_per_s * measured_s
    mean = {
        figure: interval(result.pool_mean(pool.name, figure), least=0.0)
        for figure in ("utilization", "busy", "kv_use", "up")
    }
    return PoolFigures(
        requests=requests,
        gpu=profile.gpu,
        replicas=pool.replicas,
        gpus=pool.replicas * pool.gpus_per_replica,
        max_context=pool.max_context,
        slots=pool.capacity.slots,
        **mean,
        power_w=interval(mean_interval(power), least=0.0) if power else None,
        joules_per_token=sum(energy) / tokens if energy and tokens else None,
        power_quality=profile.power.quality if profile.power else None,
        power_source=profile.power.source if profile.power else None,
        lost_tokens=sum(run.lost_tokens for run in seen),
        unstable=unstable,
        backlog_per_s=sum(run.growth_per_s for run in seen) / len(seen),
        replica_busy=_by_replica([run.replica_busy for run in seen]),
        replica_work=_by_replica(
            [run.replica_work / r.measured_s for run, r in zip(seen, result.runs, strict=True)]
        ),
    )


def _by_replica(values: Sequence[Floats]) -> tuple[float, ...]:
    """Means over the runs."""
    return tuple(float(value) for value in np.mean(values, axis=0))
