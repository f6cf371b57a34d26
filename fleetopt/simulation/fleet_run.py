"""What one run of a fleet measured, by groups of requests and by pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.performance.power import prefilling_w
from fleetopt.problem import LatencyBound
from fleetopt.simulation.fleet import FleetOutcome
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import REJECTED, Status, Stop
from fleetopt.simulation.fleet_state import token_bin_edges_s
from fleetopt.simulation.link_runs import LinkRun, link_runs
from fleetopt.simulation.records import Floats, Ints
from fleetopt.simulation.statistics import PROBABILITIES

METRICS = ("ttft", "tpot", "e2e", "wait")
"""Latencies of a request: ITL is one of a token and stands with the pools."""


@dataclass(frozen=True, eq=False)
class GroupRun:
    """The measured requests of one group: the fleet, a pool, a model or a category.

    quantiles_s: by metric, quantiles of the completed requests at statistics.PROBABILITIES.
    missed: arrivals beyond each bound. Requests that were rejected, unfinished or cut off
        have missed all. good: completed requests within every bound.
    rejected: by reason. hit_tokens: prompt tokens found in prefix caches.
    output_tokens: of completed requests.
    """

    quantiles_s: dict[str, Floats]
    missed: tuple[int, ...]
    good: int
    arrivals: int
    completed: int
    truncated: int
    rejected: dict[Status, int]
    unfinished: int
    preemptions: int
    restarts: int
    hit_tokens: int
    prompt_tokens: int
    output_tokens: int

    @property
    def misrouted(self) -> int:
        """Requests sent to a pool where they do not fit: turned away or cut off there."""
        return self.truncated + self.rejected[Status.TOO_LONG]


@dataclass(frozen=True, eq=False)
class PoolRun:
    """What the replicas of one pool did in the measured time.

    busy: share of the time in which replicas were up that they ran a batch. batch: mean
    sequences of a replica over all time. utilization: the batch over what it can hold: slots,
    or where KV is paged sequences of the mean context. kv_use: share of KV blocks (or
    slots) held. up: share of time that replicas were up. energy_j: None without power curve.
    replica_busy, replica_work: by replica, share of time busy, and iterations.
    itl_quantiles_s: of the output tokens. waiting, active, replicas_up: time series.
    unstable: whether the backlog grew without end; growth_per_s: its slope.
    """

    busy: float
    batch: float
    utilization: float
    kv_use: float
    up: float
    energy_j: float | None
    lost_tokens: int
    replica_busy: Floats
    replica_work: Floats
    itl_quantiles_s: Floats
    waiting: Ints
    active: Ints
    replicas_up: Ints
    unstable: bool
    growth_per_s: float


@dataclass(frozen=True, eq=False)
class FleetRun:
    """One replication of a fleet.

    groups: "fleet", "pool NAME", "model NAME", "category NAME", "nodes up"
        and "nodes down", "from arrivals" and "from clients". pools: by name.
    checkpoint_s: times of the pools' series. measured_s: measured time, shorter than asked
    where the run stopped early. counted_s: time in which the groups' requests arrived, shorter
    still where the run stopped early with sound pools.
    """

    groups: dict[str, GroupRun]
    pools: dict[str, PoolRun]
    checkpoint_s: Floats
    measured_s: float
    counted_s: float
    stop: Stop
    events: int
    links: tuple[LinkRun, ...] = ()

    @property
    def unstable(self) -> bool:
        """Whether a pool's backlog grew without end."""
        return any(pool.unstable for pool in self.pools.values())


def latencies_s(outcome: FleetOutcome) -> dict[str, Floats]:
    """TTFT, TPOT, E2E and wait of every request, in the order of the traffic, in seconds.

    TTFT counts from the arrival at the router, with what the router adds and what clients of the
    pool wait outside of it. Where prefill and decode are apart it ends when the KV has landed, and
    TPOT holds the wait for a slot there. NaN where a request did not end; a wait ends with the
    first admission.
    """
    end_s, first_s = outcome.column("end_s"), outcome.column("prefill_end_s")
    if outcome.setting.links:
        landed_s = outcome.column("landed_s")
        first_s = np.where(np.isnan(landed_s), first_s, landed_s)
    arrival_s = outcome.arrival_s
    sent_s = arrival_s - _outside_s(outcome)
    return {
        "ttft": np.where(np.isnan(end_s), np.nan, first_s - sent_s),
        "tpot": (end_s - first_s) / outcome.column("served_tokens"),
        "e2e": end_s - sent_s,
        "wait": np.where(np.isnan(end_s), np.nan, outcome.column("admitted_s") - arrival_s),
    }


def _outside_s(outcome: FleetOutcome) -> Floats:
    """Seconds that each request's client waits for a first token outside of its pool.

    A request that came to no pool, -1, has none.
    """
    each = np.array([pool.iteration.first_token_s for pool in outcome.fleet.pools] + [0.0])
    pool = outcome.column("entered" if outcome.setting.links else "pool")
    outside: Floats = each[pool]
    return outside


def measure(outcome: FleetOutcome, bounds: Sequence[LatencyBound]) -> FleetRun:
    """Everything that a run says inside its window."""
    latencies = latencies_s(outcome)
    window = outcome.window
    measured = counted(outcome)
    columns = {name: outcome.column(name) for name in _COLUMNS}
    columns["prompt_tokens"] = outcome.traffic.prompt_tokens
    groups = {
        name: _group(measured & members, latencies, columns, bounds)
        for name, members in _members(outcome)
    }
    pools = {pool.name: _pool(outcome, p) for p, pool in enumerate(outcome.fleet.pools)}
    return FleetRun(
        groups,
        pools,
        outcome.checkpoint_s,
        window.measure_end_s - window.warmup_s,
        counted_end_s(outcome) - window.warmup_s,
        Stop(outcome.trajectory.stop),
        outcome.trajectory.events,
        tuple(link_runs(outcome, measured)),
    )


def counted(outcome: FleetOutcome) -> np.ndarray:
    """Which requests count: those that arrived from the warm-up until `counted_end_s`."""
    arrival_s = outcome.arrival_s
    end_s = counted_end_s(outcome)
    return np.asarray((arrival_s >= outcome.window.warmup_s) & (arrival_s < end_s))


def counted_end_s(outcome: FleetOutcome) -> float:
    """End of the arrivals that count.

    Where a diverging pool stopped the run early, requests were under way in the sound pools
    too. Those that arrived a longest residence of theirs before the stop have had their time.
    """
    window, run = outcome.window, outcome.trajectory
    if run.stop != Stop.DIVERGED:
        return window.measure_end_s
    if len(outcome.fleet.pools) == 1:
        return window.measure_end_s
    sound = [s for p, s in enumerate(outcome.residence_s.tolist()) if not _growth(outcome, p)[0]]
    end_s = min(window.measure_end_s, run.stopped_s - max(sound, default=0.0))
    return end_s if end_s > window.warmup_s else window.measure_end_s


_COLUMNS = ("status", "preemptions", "restarts", "hit_tokens", "served_tokens")


def _members(outcome: FleetOutcome) -> Iterator[tuple[str, np.ndarray]]:
    """Groups of requests and who belongs to them."""
    yield "fleet", np.ones(len(outcome.traffic), dtype=bool)
    sent_to = outcome.column("pool")
    entered = outcome.column("entered") if outcome.setting.links else sent_to
    for p, pool in enumerate(outcome.fleet.pools):
        only_prefills = pool.role == Role.PREFILL
        yield f"pool {pool.name}", entered == p if only_prefills else sent_to == p
    if outcome.fleet.failures:
        down = outcome.faults.down_at(outcome.arrival_s) > 0
        yield "nodes up", ~down
        yield "nodes down", down
    if outcome.loop.is_beside:
        by_client = outcome.column("client") == 1
        yield "from arrivals", ~by_client
        yield "from clients", by_client
    traffic = outcome.traffic
    for kind in ("model", "category"):
        codes, names = getattr(traffic, kind), getattr(traffic, f"{kind}_names")
        for code, name in enumerate(names if codes is not None else ()):
            yield f"{kind} {name}", codes == code


def _group(
    members: np.ndarray,
    latencies: dict[str, Floats],
    columns: dict[str, np.ndarray],
    bounds: Sequence[LatencyBound],
) -> GroupRun:
    values = {metric: latencies[metric][members] for metric in METRICS}
    status = columns["status"][members]
    counts = np.bincount(status, minlength=len(Status))
    served = (status == Status.COMPLETED) | (status == Status.TRUNCATED)
    whole = status == Status.COMPLETED
    within = [whole & (values[bound.metric] <= bound.limit_s) for bound in bounds]
    good = np.logical_and.reduce(within) if within else whole
    return GroupRun(
        quantiles_s={metric: _quantiles(column[served]) for metric, column in values.items()},
        missed=tuple(int(status.size - met.sum()) for met in within),
        good=int(good.sum()),
        arrivals=int(status.size),
        completed=int(counts[Status.COMPLETED] + counts[Status.TRUNCATED]),
        truncated=int(counts[Status.TRUNCATED]),
        rejected={reason: int(counts[reason]) for reason in REJECTED},
        unfinished=int(counts[Status.UNFINISHED]),
        preemptions=int(columns["preemptions"][members].sum()),
        restarts=int(columns["restarts"][members].sum()),
        hit_tokens=int(columns["hit_tokens"][members].sum()),
        prompt_tokens=int(columns["prompt_tokens"][members].sum()),
        output_tokens=int(columns["served_tokens"][members][served].sum()),
    )


def _quantiles(values: Floats) -> Floats:
    if not values.size:
        return np.full(PROBABILITIES.size, np.nan)
    return np.quantile(values, PROBABILITIES)


def _pool(outcome: FleetOutcome, p: int) -> PoolRun:
    pool, run, window = outcome.fleet.pools[p], outcome.trajectory, outcome.window
    first = sum(other.replicas for other in outcome.fleet.pools[:p])
    totals = run.replicas[first : first + pool.replicas]
    measured_s = window.measure_end_s - window.warmup_s
    span_s = max(measured_s * pool.replicas, 1e-300)
    up_s = max(span_s - float(totals["down_s"].sum()), 1e-300)
    occupancy_s = run.occupancy_s[p]
    work = float(totals["work"].sum())
    context = float(totals["context_sum"].sum()) / work if work else 0.0
    batch = float(occupancy_s @ np.arange(occupancy_s.size)) / up_s
    unstable, growth = _growth(outcome, p)
    return PoolRun(
        busy=float(totals["busy_s"].sum()) / up_s,
        batch=batch,
        utilization=batch / pool.capacity.batch(context),
        kv_use=float(totals["kv_block_s"].sum())
        / (up_s * (pool.capacity.kv_blocks or pool.capacity.slots)),
        up=up_s / span_s,
        energy_j=_energy_j(outcome, p, up_s),
        lost_tokens=int(totals["lost_tokens"].sum()),
        replica_busy=totals["busy_s"] / max(measured_s, 1e-300),
        replica_work=totals["work"],
        itl_quantiles_s=_token_quantiles_s(run.tokens[p]),
        waiting=run.waiting[:, p],
        active=run.active[:, p],
        replicas_up=run.up[:, p],
        unstable=unstable,
        growth_per_s=growth,
    )


def _energy_j(outcome: FleetOutcome, p: int, up_s: float) -> float | None:
    """Energy of a pool's GPUs while up: idle without a batch, else by its size.

    Of a pool that only prefills every batch draws what a chunk does.
    """
    pool, occupancy_s = outcome.fleet.pools[p], outcome.trajectory.occupancy_s[p]
    if pool.power is None:
        return None
    if pool.role == Role.PREFILL:
        drawn_w = prefilling_w(pool.power, pool.iteration.chunk_tokens)
        watts = np.full(occupancy_s.size, drawn_w)
    else:
        watts = np.array([pool.power.watts(batch) for batch in range(occupancy_s.size)])
    idle_s = max(0.0, up_s - float(occupancy_s.sum()))
    return pool.gpus_per_replica * (float(watts @ occupancy_s) + pool.power.idle_w * idle_s)


def _token_quantiles_s(counts: Ints) -> Floats:
    """Quantiles of token times from their histogram, straight lines inside its bins."""
    total = int(counts.sum())
    if not total:
        return np.full(PROBABILITIES.size, np.nan)
    edges = token_bin_edges_s()
    cumulative = np.concatenate(([0.0], np.cumsum(counts) / total))
    kept = np.concatenate(([True], np.diff(cumulative) > 0))
    kept[int(np.argmax(cumulative > 0)) - 1] = True
    return np.interp(PROBABILITIES, cumulative[kept], edges[kept])


SATURATED = 0.95
"""Share of a pool's replicas with requests waiting, from which growth counts as instability."""


def _growth(outcome: FleetOutcome, p: int) -> tuple[bool, float]:
    """Whether a pool is unstable, and the growth of its backlog in requests per second.

    Unstable: over the second half of the checkpoints seen, nearly all replicas have requests
    waiting, and the backlog grows by more than it fluctuates: each quarter of the run has
    more than the one before, and the last with at least twice the first; or the run
    stopped because a backlog could not drain any more.
    """
    run, times = outcome.trajectory, outcome.checkpoint_s
    seen = int(np.count_nonzero(times <= run.stopped_s))
    if seen < 8:
        return False, 0.0
    backlog, up = run.waiting[:seen, p].astype(np.float64), run.up[:seen, p]
    half = slice(seen // 2, seen)
    centred = times[half] - times[half].mean()
    slope = float(centred @ backlog[half] / (centred @ centred))
    saturated = run.saturated[half, p].sum() >= SATURATED * max(1, up[half].sum())
    quarters = [float(part.mean()) for part in np.array_split(backlog, 4)]
    grows = all(np.diff(quarters) > 0) and quarters[3] >= 2 * quarters[0]
    grows |= run.stop == Stop.DIVERGED
    return bool(saturated and grows and slope > 0), slope
