"""From the statement of a simulation to what is simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fleetopt.catalog import SourceFile, profiles_of
from fleetopt.errors import Fault, InputError, near
from fleetopt.performance.coefficient import profile_of
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import FleetSimulation, PoolStatement, RouterStatement
from fleetopt.problem.simulation import prefix_faults
from fleetopt.questions.fleets import watching
from fleetopt.questions.fleets.routers import router_of
from fleetopt.questions.fleets.traffic import (
    Classified,
    Queue,
    StatedTraffic,
    Stream,
    read_traffic,
    source_of,
)
from fleetopt.simulation.failures import Failures
from fleetopt.simulation.fleet import Fleet
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, KvLink, Traffic
from fleetopt.simulation.fleet_records import ClosedLoop
from fleetopt.simulation.fleet_results import DrawnTraffic, RecordedTraffic, TrafficSource
from fleetopt.simulation.pool import MIN_REQUESTS, Horizon
from fleetopt.simulation.routing import ByModel, LengthKnowledge
from fleetopt.verification.verdicts import too_short_note
from fleetopt.workload.sessions import Sessions

_PILOT = 0
"""Key of the seed from which a run of clients tells how long it takes."""


@dataclass(frozen=True, eq=False)
class Scenario:
    """A fleet, its traffic and how long it is watched.

    profiles: of the pools, in their order. arrival_rate: requests per second; None for clients
        alone.
    too_short: why runs say nothing of the steady state; empty if they do.
    """

    stated: FleetSimulation
    fleet: Fleet
    profiles: tuple[ReplicaProfile, ...]
    source: TrafficSource
    loop: ClosedLoop | None
    horizon: Horizon
    arrival_rate: float | None
    too_short: str
    notes: tuple[str, ...]
    sources: tuple[SourceFile, ...]

    @property
    def is_replay(self) -> bool:
        """Whether every run meets the same requests at the same times."""
        return self.stated.trace is not None and self.loop is None

    def with_router(self, router: RouterStatement) -> Scenario:
        """The same traffic, pools and time behind another router.

        Raises InputError for the prefix router where nothing is shared or kept.
        """
        _check_prefixes(router, self.fleet, self.source)
        stated = self.stated.model_copy(update={"router": router})
        return replace(
            self, stated=stated, fleet=replace(self.fleet, router=router_of(router, stated))
        )


def scenario_of(
    stated: FleetSimulation, beside: Path | None = None, least_requests: int = MIN_REQUESTS
) -> Scenario:
    """Read what a statement names.

    least_requests: measured at least where the statement leaves their number to the law.
    Raises InputError with every fault, the statement's key as its place.
    """
    faults = list(_named_faults(stated))
    try:
        traffic = read_traffic(stated, beside)
    except InputError as error:
        raise InputError([*faults, *error.faults]) from None
    if faults:
        raise InputError(faults)
    stated = stated.model_copy(update={"pools": _decode_last(stated.pools)})
    profiles = tuple(profile_of(profiles_of(stated)[pool.gpu]) for pool in stated.pools)
    fleet = _fleet(stated, profiles)
    if fleet.faults():
        raise InputError(fleet.faults())
    return _scenario(stated, fleet, profiles, traffic, least_requests)


def _scenario(
    stated: FleetSimulation,
    fleet: Fleet,
    profiles: tuple[ReplicaProfile, ...],
    traffic: StatedTraffic,
    least: int,
) -> Scenario:
    served, notes = _served(stated, fleet, traffic)
    sessions = None
    if stated.sessions is not None:
        sessions = Sessions(stated.sessions.turns, stated.sessions.pause_s)
    source = source_of(traffic, tuple(stream.lengths for stream in served), sessions)
    _check_prefixes(stated.router, fleet, source)
    model = watching.slowest_pool(fleet, served)
    loop, too_short, rate = None, "", traffic.rate
    if stated.concurrency:
        source, loop = _clients(stated, source, traffic, least)
        rng = np.random.default_rng(np.random.SeedSequence(stated.seed, spawn_key=(_PILOT,)))
        horizon = watching.of_clients(fleet, source.draw(rng, 0.0), loop, model, rng)
        if loop.is_beside:
            too_short = watching.cycles_note(served, horizon, rate)
    elif traffic.trace is not None:
        horizon = watching.of_trace(model, traffic.trace.duration_s)
    else:
        horizon = watching.by_law(model, served, stated.n_req, least)
        if sessions:
            settled_s = max(sessions.settled_s(stream.rate) for stream in served)
            horizon = replace(horizon, warmup_s=max(horizon.warmup_s, settled_s))
        too_short = too_short_note(model, horizon) or watching.cycles_note(served, horizon, rate)
    if stated.router.name == "semantic" and traffic.trace is None:
        source = Classified(source)
    return Scenario(
        stated, fleet, profiles, source, loop, horizon,
        rate if loop is None or loop.is_beside else None,
        too_short, tuple(notes), traffic.sources,
    )  # fmt: skip


def _clients(
    stated: FleetSimulation, source: TrafficSource, traffic: StatedTraffic, least: int
) -> tuple[TrafficSource, ClosedLoop]:
    """Requests for clients, and their pauses."""
    requests = stated.n_req or least
    if traffic.trace is not None:
        requests = len(traffic.trace)
    elif isinstance(source, DrawnTraffic):
        source = Queue(source, requests)
    pauses = np.zeros(0)
    if stated.think_s:
        seed = np.random.SeedSequence(stated.seed, spawn_key=(_PILOT, 1))
        pauses = np.random.default_rng(seed).exponential(stated.think_s, requests)
    is_beside = stated.trace is None and stated.lam is not None
    return source, ClosedLoop(min(stated.concurrency, requests), pauses, int(is_beside))


def _check_prefixes(router: RouterStatement, fleet: Fleet, source: TrafficSource) -> None:
    """Raise InputError for the prefix router where nothing is shared or kept."""
    if router.name != "prefix":
        return
    shares = isinstance(source, DrawnTraffic) and source.sessions is not None
    shares |= isinstance(source, RecordedTraffic) and source.traffic.prefix is not None
    keeps = any(pool.prefix_cache_tokens for pool in fleet.pools)
    faults = list(prefix_faults(keeps, shares))
    if faults:
        raise InputError(faults)


def _served(
    stated: FleetSimulation, fleet: Fleet, traffic: StatedTraffic
) -> tuple[tuple[Stream, ...], list[str]]:
    """The streams as they are sent: drawn lengths beyond the largest context are cut to it."""
    if traffic.trace is not None:
        return traffic.streams, _unserved(fleet, Traffic.of(traffic.trace))
    served, notes = [], []
    for stream in traffic.streams:
        longest = _longest(fleet, stream)
        beyond = 1.0 - stream.lengths.share(0, longest)
        if beyond > 1e-9 and stated.overlong == "clip":
            stream = replace(stream, lengths=stream.lengths.clipped(longest))
        if beyond > 1e-9:
            said = "count as that long" if stated.overlong == "clip" else "are turned away"
            whose = f" of {stream.name}" if len(traffic.streams) > 1 else ""
            notes.append(
                f"{100 * beyond:.3g} % of the requests{whose} are longer than {longest:,} tokens "
                f"and {said}"
            )
        served.append(stream)
    return tuple(served), notes


def _unserved(fleet: Fleet, traffic: Traffic) -> list[str]:
    longest = max(pool.max_context for pool in fleet.entrances)
    beyond = int(np.count_nonzero(traffic.total_tokens > longest))
    if not beyond:
        return []
    return [f"{beyond:,} of {len(traffic):,} requests are longer than {longest:,} tokens"]


def _longest(fleet: Fleet, stream: Stream) -> int:
    """The largest context that serves a stream."""
    pools = list(fleet.entrances)
    if isinstance(fleet.router, ByModel):
        named = watching.pools_of(stream.name, fleet.router)
        pools = [pool for pool in pools if pool.name in named] or pools
    return max(pool.max_context for pool in pools)


def _fleet(stated: FleetSimulation, profiles: tuple[ReplicaProfile, ...]) -> Fleet:
    failures = None
    if stated.failures is not None and stated.failures.per_node_day > 0:
        rates = stated.failures
        failures = Failures(rates.per_node_day, rates.repair_s, stated.gpus_per_node)
    return Fleet(
        tuple(_pool(*pair) for pair in zip(stated.pools, profiles, strict=True)),
        router_of(stated.router, stated),
        LengthKnowledge.parse(stated.length_knowledge),
        failures,
        np.inf if stated.timeout_s is None else stated.timeout_s,
        tuple(
            KvLink(
                link.source,
                link.target,
                1e9 * link.gb_per_s,
                link.kv_bytes_per_token,
                link.latency_ms / 1000.0,
                link.shared,
                link.overlap_layers,
            )
            for link in stated.links
        ),
    )


def _decode_last(pools: tuple[PoolStatement, ...]) -> tuple[PoolStatement, ...]:
    """The pools to which requests come, then those that only decode."""
    return tuple(sorted(pools, key=lambda pool: pool.role == "decode"))


def _pool(stated: PoolStatement, profile: ReplicaProfile) -> FleetPool:
    if stated.admission == "paged":
        capacity = profile.paged(stated.max_ctx, stated.max_num_seqs)
    else:
        capacity = profile.reserved(stated.max_ctx)
    if stated.max_batch is not None:
        capacity = replace(capacity, slots=min(capacity.slots, stated.max_batch))
    return FleetPool(
        stated.id,
        profile.iteration,
        capacity,
        stated.n_gpus // profile.gpus_per_replica,
        stated.growth,
        stated.queue_limit,
        stated.prefix_cache_tokens,
        gpus_per_replica=profile.gpus_per_replica,
        power=profile.power,
        role=Role[stated.role.upper()],
    )


def _named_faults(stated: FleetSimulation) -> Iterator[Fault]:
    """Profiles that are not known, GPUs that are no whole replicas, unknown knowledge."""
    known = profiles_of(stated)
    for i, pool in enumerate(stated.pools):
        if pool.gpu not in known:
            yield Fault(f"pools[{i}].gpu", f"unknown GPU {pool.gpu!r}", near(pool.gpu, known))
        elif pool.n_gpus % known[pool.gpu].gpus_per_replica:
            each = known[pool.gpu].gpus_per_replica
            yield Fault(f"pools[{i}].n_gpus", f"expected a multiple of {each}, got {pool.n_gpus}")
    yield from _faults_in(
        "length_knowledge", lambda: LengthKnowledge.parse(stated.length_knowledge)
    )


def _faults_in(place: str, read: Callable[[], object]) -> Iterator[Fault]:
    try:
        read()
    except InputError as error:
        yield from (replace(fault, place=place) for fault in error.faults)
