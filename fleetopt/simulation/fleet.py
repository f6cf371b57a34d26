"""Simulating a fleet: pools behind a router, on traffic that is drawn or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.errors import Fault, InputError
from fleetopt.simulation.failures import Failures
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, KvLink, Traffic, link_faults
from fleetopt.simulation.fleet_records import (
    LEAST_MARKS,
    ClosedLoop,
    Faults,
    FleetRequests,
    FleetTrajectory,
    Limits,
    PoolEngine,
    Setting,
)
from fleetopt.simulation.pool import full_batch_s
from fleetopt.simulation.records import Floats, Ints, Window, checkpoints
from fleetopt.simulation.routing.knowledge import ORACLE, LengthKnowledge
from fleetopt.simulation.routing.router import Router, Routing

_LOOKED_AT = 10_000
"""Requests that tell how long residences are before a run."""
_PROOF_RESIDENCES = 2.0
"""Longest residences after the warm-up before which a fleet of several pools does not stop."""
CHECKPOINTS = 128
"""Points of the time series of a run."""


@dataclass(frozen=True, eq=False)
class Fleet:
    """Pools and a router.

    pools: those that only decode come last; the router knows the others.
    knowledge: what the router knows of lengths.
    failures: of its nodes; None is a fleet that never fails.
    timeout_s: longest wait of a request for its admission.
    links: from pools that only prefill to pools that decode.
    """

    pools: tuple[FleetPool, ...]
    router: Router
    knowledge: LengthKnowledge = ORACLE
    failures: Failures | None = None
    timeout_s: float = np.inf
    links: tuple[KvLink, ...] = ()

    @property
    def entrances(self) -> tuple[FleetPool, ...]:
        """The pools to which requests come."""
        return tuple(pool for pool in self.pools if pool.role != Role.DECODE)

    def faults(self) -> list[Fault]:
        """What is wrong with it."""
        faults = [fault for pool in self.pools for fault in pool.faults()]
        names = [pool.name for pool in self.pools]
        wrong = [
            (not names, "pools", "at least one is expected"),
            (len(set(names)) < len(names), "pools", "different names are expected"),
            (
                self.entrances != self.pools[: len(self.entrances)],
                "pools",
                "those that only decode are expected last",
            ),
            (not self.timeout_s > 0, "timeout", f"above 0 s, got {self.timeout_s:g}"),
        ]
        faults += link_faults(self.pools, self.links)
        return faults + [Fault(f"fleet: {place}", said) for bad, place, said in wrong if bad]


@dataclass(frozen=True, eq=False)
class FleetOutcome:
    """What became of the traffic of one run.

    window: as observed; its measured part ends where a run stopped early.
    trajectory: requests in the order in which they reached their pools.
    order: which request of the traffic each of them is.
    setting, requests: what the simulator was given.
    """

    fleet: Fleet
    traffic: Traffic
    routing: Routing
    window: Window
    setting: Setting
    requests: FleetRequests
    trajectory: FleetTrajectory
    order: Ints | None

    @property
    def checkpoint_s(self) -> Floats:
        """Times of its time series."""
        return self.setting.checkpoint_s

    @property
    def faults(self) -> Faults:
        """Failures and repairs of its nodes."""
        return self.setting.faults

    @property
    def loop(self) -> ClosedLoop:
        """Its clients."""
        return self.setting.loop

    def column(self, name: str) -> np.ndarray:
        """A column of the trajectory in the order of the traffic."""
        values = np.asarray(getattr(self.trajectory, name))
        if self.order is None:
            return values
        sorted_back = np.empty_like(values)
        sorted_back[self.order] = values
        return sorted_back

    @cached_property
    def residence_s(self) -> Floats:
        """Of each pool, the time in a full batch of the longest request sent to it."""
        return _residences_s(self.fleet, self.traffic, self.routing, len(self.traffic))

    @cached_property
    def arrival_s(self) -> Floats:
        """When each request came to the router, in the order of the traffic."""
        if self.order is None:
            return self.trajectory.arrival_s
        return self.traffic.arrival_s


def simulate_fleet(
    fleet: Fleet,
    traffic: Traffic,
    window: Window,
    rng: np.random.Generator,
    *,
    loop: ClosedLoop | None = None,
    limits: Limits | None = None,
) -> FleetOutcome:
    """One run of a fleet.

    rng: draws failures, then what the router draws: fleets that differ in the router only
        meet the same failures.
    loop: clients that take the requests in order, instead of their arrival times or beside them.
    limits: a bound on events and whether to stop early; its timeout is the fleet's.
    Raises InputError, with all faults, for a fleet or traffic that cannot be simulated.
    """
    is_closed = loop is not None and not loop.is_beside
    faults = fleet.faults() + ([] if is_closed else traffic.faults())
    if faults:
        raise InputError(faults)
    outages = Faults.none()
    if fleet.failures:
        outages = fleet.failures.draw(fleet.pools, rng, window.stop_s)
    longest = max(pool.max_context for pool in fleet.entrances)
    known = fleet.knowledge.tokens(traffic, longest, rng)
    routing = fleet.router.route(traffic, known, fleet.entrances, rng)
    order = None if loop else _order_at_pools(traffic, routing)
    marks = checkpoints(window, CHECKPOINTS)
    setting = Setting(
        window,
        marks,
        routing.rule,
        routing.threshold,
        loop or ClosedLoop(),
        outages,
        (limits or Limits())._replace(
            timeout_s=fleet.timeout_s,
            least_marks=_least_marks(fleet, traffic, routing, marks),
        ),
        tuple(link.plain(fleet.pools) for link in fleet.links),
    )
    requests = _requests(traffic, known, routing, order)
    trajectory = run_compiled(engines(fleet.pools, routing), requests, setting)
    seen = window._replace(measure_end_s=_observed_s(trajectory, window))
    return FleetOutcome(fleet, traffic, routing, seen, setting, requests, trajectory, order)


def run_compiled(
    pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting
) -> FleetTrajectory:
    """The kernel's function; the compiler is loaded when it is first needed."""
    from fleetopt.simulation.fleet_kernel import run_fleet

    return run_fleet(pools, requests, setting)


def engines(pools: Sequence[FleetPool], routing: Routing) -> list[PoolEngine]:
    """Pools as plain numbers, with what the router's rule needs of them."""
    overflow = routing.overflow + (-1,) * (len(pools) - len(routing.overflow))
    sizes = routing.pressure_sequences
    pressure = sizes + (1.0,) * (len(pools) - len(sizes))
    numbers = zip(pools, overflow, pressure, strict=True)
    return [pool.engine(over, sequences) for pool, over, sequences in numbers]


def _least_marks(fleet: Fleet, traffic: Traffic, routing: Routing, checkpoint_s: Floats) -> int:
    """Checkpoints before a fleet may stop early: with several pools, some residences of theirs."""
    if len(fleet.pools) < 2:
        return LEAST_MARKS
    longest_s = float(_residences_s(fleet, traffic, routing, _LOOKED_AT).max())
    proof_s = checkpoint_s[0] + _PROOF_RESIDENCES * longest_s
    return max(LEAST_MARKS, int(np.searchsorted(checkpoint_s, proof_s)))


def _residences_s(fleet: Fleet, traffic: Traffic, routing: Routing, requests: int) -> Floats:
    """The longest residence that the first requests can have in each pool once admitted."""
    longest_s = np.zeros(len(fleet.pools))
    names = [pool.name for pool in fleet.pools]
    for p, pool in enumerate(fleet.pools):
        senders = [names.index(link.source) for link in fleet.links if link.target == pool.name]
        mine = np.flatnonzero(np.isin(routing.pool[:requests], [p, *senders]))
        prompt, output = traffic.prompt_tokens[mine], traffic.output_tokens[mine]
        if not prompt.size:
            continue
        work = -(-prompt // pool.iteration.chunk_tokens) + output
        context = float(work @ (prompt + output)) / float(work.sum())
        longest_s[p] = work.max() * full_batch_s(pool.iteration, pool.capacity, context)
    return longest_s


def _observed_s(trajectory: FleetTrajectory, window: Window) -> float:
    """End of measurement: earlier where the run stopped early."""
    return min(window.measure_end_s, max(trajectory.stopped_s, window.warmup_s))


def _order_at_pools(traffic: Traffic, routing: Routing) -> Ints | None:
    """Requests in the order of their arrival at the pools; None if the router keeps it."""
    if routing.delay_s is None:
        return None
    return np.argsort(traffic.arrival_s + routing.delay_s, kind="stable")


def _requests(
    traffic: Traffic, known_tokens: Ints, routing: Routing, order: Ints | None
) -> FleetRequests:
    """Requests as the kernel takes them; columns that say nothing take no memory."""
    n = len(traffic)
    prompts = traffic.prompt_tokens if routing.prompt_tokens is None else routing.prompt_tokens
    arrival_s = traffic.arrival_s
    prefix, shared = np.broadcast_to(np.int64(-1), n), np.broadcast_to(np.int64(0), n)
    if traffic.prefix is not None and traffic.prefix_tokens is not None:
        prefix, shared = traffic.prefix, np.minimum(traffic.prefix_tokens, prompts)
    choices = routing.choices if routing.choices is not None else np.zeros((0, 2), dtype=np.int64)
    if order is not None and routing.delay_s is not None:
        arrival_s = traffic.arrival_s + routing.delay_s
    requests = FleetRequests(
        arrival_s,
        prompts,
        traffic.output_tokens,
        routing.pool,
        known_tokens,
        prefix,
        shared,
        choices,
    )
    if order is None:
        return requests
    columns = {name: column[order] for name, column in requests._asdict().items() if column.size}
    return requests._replace(**columns)
