"""How much power can a fleet shed when the grid asks for it, by capping its batches?

A depth of f % asks a GPU to draw at most nominal (1 - f / 100). The cap is the largest batch
that draws no more,

    n_max = max { n <= slots : P(n) <= nominal (1 - f / 100) },

and at least 1. Published, a cap is worth what a full batch draws less, P(slots) - P(n_max). A
fleet whose batches are smaller than the cap sheds nothing: the true worth is the mean draw over
the occupancy, without the cap less with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fleetopt.case import Case
from fleetopt.errors import Fault, InputError
from fleetopt.performance.power import PowerModel, largest_batch
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import FleetProblem
from fleetopt.questions.energy.capped import CappedPool, SimulatedLevel, simulated_levels
from fleetopt.questions.energy.event import SimulatedEvent, simulated_events
from fleetopt.questions.energy.levers import Mix, Terms
from fleetopt.questions.energy.pools import least_replicas, power_of
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.energy.shedding import Shedding, shedding
from fleetopt.questions.energy.tokens_per_watt import PUBLISHED_CONTEXT
from fleetopt.simulation.event import Levers

DEPTHS = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""Depths that are asked for if none are stated, in percent of the nominal draw."""
EVENT_RUNS = Runs(replications=5)
"""How an event is simulated if nothing else is stated."""
_ROUNDING = 1e-9
"""Watts by which a target may miss the idle draw: 50 % of 600 W is 300 W, whatever its last bit."""


@dataclass(frozen=True)
class GridLevel:
    """One depth and what becomes of the fleet under its cap, for good.

    target_w: most draw of a GPU. n_max: its batch cap. w_per_gpu: draw with n_max sequences,
    which exceeds the target where even one sequence does. fleet_kw: that of all GPUs.
    utilization, p99_ttft_ms: by the problem's method; infinite where the fleet cannot keep up.
    most_per_s: requests per second that it serves at most.
    published_p99_ttft_ms: by the published formulas; None where they say nothing, as of TPOT.
    event: what becomes of it under the cap for a while.
    mix_at_cap, mix: the cheapest mix of levers for the depth, counted at the cap and of what the
    fleet really draws; None where none keeps the SLO.
    drawn_kw: mean draw at its occupancy. shed_at_cap_kw, shed_kw: less than without a cap, with
    every slot busy and as it is.
    """

    flex_pct: float
    target_w: float
    n_max: int
    w_per_gpu: float
    fleet_kw: float
    utilization: float
    most_per_s: float
    p99_ttft_ms: float
    meets: bool
    published_p99_ttft_ms: float | None
    drawn_kw: float
    shed_at_cap_kw: float
    shed_kw: float
    simulated: SimulatedLevel | None
    event: SimulatedEvent | None = None
    mix_at_cap: Mix | None = None
    mix: Mix | None = None

    @property
    def is_stable(self) -> bool:
        """Whether the fleet keeps up with its requests."""
        return self.utilization < 1.0

    @property
    def slo_met(self) -> bool | None:
        """During the event if one ran, else for good: by the simulator where it ran, None where
        it leaves it open, else by the table.
        """
        if self.event is not None:
            return self.event.slo_met
        if self.simulated is None:
            return self.meets
        return self.simulated.slo_met


@dataclass(frozen=True)
class SafeDepth:
    """The smallest cap with which the fleet keeps the SLO, by the table, and what it is worth.

    n_max: None if the fleet misses the SLO under every cap, and without one.
    at_cap_pct: published count, of the nominal draw. shed_pct: of what the fleet really draws.
    """

    n_max: int | None
    at_cap_pct: float
    shed_pct: float


@dataclass(frozen=True)
class FewerGpus:
    """The fewest GPUs that keep the SLO by the table without a cap, the others switched off.

    drawn_kw: of those that are on. shed_pct: of what all of them draw.
    """

    gpus: int
    drawn_kw: float
    shed_pct: float


@dataclass(frozen=True)
class GridFlex:
    """Depths in the order in which they were asked for, and the deepest that is safe.

    slots: of a replica without a cap. left_out: default depths below the idle draw.
    fewer: the other way to shed power; None if even all GPUs miss the SLO.
    shedding: what the levers are worth together; None by the published method, which knows no
    occupancy.
    """

    problem: FleetProblem
    gpu: str
    gpus: int
    arrival_rate: float
    slots: int
    power: PowerModel
    levels: tuple[GridLevel, ...]
    safe: SafeDepth
    fewer: FewerGpus | None
    shedding: Shedding | None
    left_out: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def idle_share(self) -> float:
        """Deepest cut that a cap can reach, the idle draw, as a share of the nominal draw."""
        return 1.0 - self.power.idle_w / self.power.nominal_w


def grid_flex(
    problem: FleetProblem,
    n_gpus: int,
    flex_pcts: Sequence[float] | None = None,
    beside: Path | None = None,
    *,
    runs: Runs | None = None,
    event_minutes: float | None = None,
    event_runs: Runs | None = None,
    terms: Terms | None = None,
    progress: Callable[[str], None] | None = None,
) -> GridFlex:
    """What a fleet of one pool sheds at each depth, and what becomes of its latencies.

    problem: its one GPU type, workload, rate, SLO and largest context (8192 tokens if absent).
    n_gpus: of the fleet. flex_pcts: depths in percent of the nominal draw, `DEPTHS` if absent.
    runs: also simulate each depth in its steady state. event_minutes: also simulate each cap
    from the loaded fleet through an event of that length and the recovery after it, with
    `event_runs`, 5 replications if absent. terms: of the cheapest mix of caps, replicas that are
    off, and deferred requests. Raises InputError with every fault.
    """
    case = _case(problem, beside)
    profile = case.profiles[0]
    power = power_of(profile)
    depths, left_out = _depths(profile, power, flex_pcts)
    pool = CappedPool.of(case, profile, _replicas(profile, n_gpus))
    caps = {cap_at(power, depth, pool.slots) for depth in depths}
    simulated: dict[int, SimulatedLevel] = {}
    if runs is not None:
        simulated = simulated_levels(pool, sorted(caps, reverse=True), runs, progress)
    events: dict[Levers, SimulatedEvent] = {}
    through = event_runs or EVENT_RUNS
    if event_minutes is not None:
        whole = [Levers(cap, pool.replicas) for cap in caps]
        events = simulated_events(pool, whole, event_minutes, through, progress)
    shed = None
    if not pool.is_by_published:
        shed = shedding(pool, depths, terms or Terms(), event_minutes, through, events, progress)
    return GridFlex(
        problem=case.problem,
        gpu=profile.name,
        gpus=n_gpus,
        arrival_rate=case.arrival_rate,
        slots=pool.slots,
        power=power,
        levels=tuple(_level(pool, power, depth, simulated, events, shed) for depth in depths),
        safe=_safe(pool, power),
        fewer=_fewer(pool),
        shedding=shed,
        left_out=left_out,
        notes=case.notes,
    )


def cap_at(power: PowerModel, flex_pct: float, slots: int) -> int:
    """The largest batch, of at least 1, that draws at most nominal (1 - flex / 100)."""
    return max(1, largest_batch(power, _target_w(power, flex_pct), slots))


def _target_w(power: PowerModel, flex_pct: float) -> float:
    return power.nominal_w * (1.0 - flex_pct / 100.0)


def _case(problem: FleetProblem, beside: Path | None) -> Case:
    """The problem with lengths cut to its largest context. Raises InputError."""
    if len(problem.gpus) != 1:
        raise InputError.single("gpus", f"expected one GPU type, got {len(problem.gpus)}")
    context = problem.max_context or PUBLISHED_CONTEXT
    changed = {"max_context": context, "overlong": "clip", "thresholds": ()}
    return Case.of(problem.model_copy(update=changed), beside)


def _replicas(profile: ReplicaProfile, n_gpus: int) -> int:
    each = profile.gpus_per_replica
    if n_gpus < 1 or n_gpus % each:
        text = f"expected a multiple of {each} above 0 for {profile.name}, got {n_gpus}"
        raise InputError.single("n_gpus", text)
    return n_gpus // each


def _depths(
    profile: ReplicaProfile, power: PowerModel, stated: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Depths to look at, and default ones below the idle draw. Raises InputError."""
    idle_w = power.idle_w - _ROUNDING
    if stated is None:
        deep = tuple(depth for depth in DEPTHS if _target_w(power, depth) < idle_w)
        return tuple(depth for depth in DEPTHS if depth not in deep), deep
    faults = []
    for i, depth in enumerate(stated):
        if not 0.0 <= depth <= 100.0:
            faults.append(Fault(f"flex_pcts[{i}]", f"expected 0 to 100 %, got {depth:g}"))
        elif _target_w(power, depth) < idle_w:
            most = 100.0 * (1.0 - power.idle_w / power.nominal_w)
            text = (
                f"{depth:g} % asks for {_target_w(power, depth):.0f} W, below the idle draw of "
                f"profile {profile.name!r}, power.idle_w = {power.idle_w:g}"
            )
            hint = f"caps reach {most:.3g} % at most; beyond, replicas have to be shut down"
            faults.append(Fault(f"flex_pcts[{i}]", text, hint))
    if not stated:
        faults.append(Fault("flex_pcts", "expected at least one depth, in percent"))
    if faults:
        raise InputError(faults)
    return tuple(stated), ()


def _level(
    pool: CappedPool,
    power: PowerModel,
    depth: float,
    simulated: Mapping[int, SimulatedLevel],
    events: Mapping[Levers, SimulatedEvent],
    shed: Shedding | None,
) -> GridLevel:
    """One depth by the table, with what was simulated and found for it."""
    gpus, cap = pool.gpus, cap_at(power, depth, pool.slots)
    w_per_gpu, full_w = power.watts(cap), power.watts(pool.slots)
    drawn_w, free_w = pool.drawn_w(cap), pool.drawn_w(pool.slots)
    row = pool.row(cap)
    return GridLevel(
        flex_pct=depth,
        target_w=_target_w(power, depth),
        n_max=cap,
        w_per_gpu=w_per_gpu,
        fleet_kw=gpus * w_per_gpu / 1000.0,
        utilization=row.utilization,
        most_per_s=pool.most_per_s(cap),
        p99_ttft_ms=1000.0 * (row.percentile_s("ttft", 99.0) or 0.0),
        meets=pool.meets(cap),
        published_p99_ttft_ms=pool.published_p99_ttft_ms(cap),
        drawn_kw=gpus * drawn_w / 1000.0,
        shed_at_cap_kw=gpus * (full_w - w_per_gpu) / 1000.0,
        shed_kw=gpus * (free_w - drawn_w) / 1000.0,
        simulated=simulated.get(cap),
        event=events.get(Levers(cap, pool.replicas)),
        mix_at_cap=None if shed is None else shed.mixes[depth, "at the cap"],
        mix=None if shed is None else shed.mixes[depth, "really"],
    )


def _safe(pool: CappedPool, power: PowerModel) -> SafeDepth:
    """The smallest cap that keeps the SLO, of those with which the fleet keeps up."""
    cap = next((cap for cap in range(1, pool.slots + 1) if pool.meets(cap)), None)
    if cap is None:
        return SafeDepth(None, 0.0, 0.0)
    free_w = pool.drawn_w(pool.slots)
    return SafeDepth(
        n_max=cap,
        at_cap_pct=max(0.0, 100.0 * (1.0 - power.watts(cap) / power.nominal_w)),
        shed_pct=100.0 * max(0.0, 1.0 - pool.drawn_w(cap) / free_w),
    )


def _fewer(pool: CappedPool) -> FewerGpus | None:
    """The fleet with as many replicas switched off as the SLO allows."""
    least = least_replicas(pool.free)
    if least > pool.replicas or not pool.meets(pool.slots):
        return None
    fewer = replace(pool, replicas=least)
    drawn_kw, all_kw = (p.gpus * p.drawn_w(p.slots) / 1000.0 for p in (fewer, pool))
    return FewerGpus(fewer.gpus, drawn_kw, 100.0 * (1.0 - drawn_kw / all_kw))
