"""`explain`: why a fleet misses its SLO, or what would bind first.

A fleet is simulated as it is, then with one cause of misses removed at a time, on the same
requests at the same times. What each removal wins back is a paired difference, so that it is
much sharper than the shares themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from fleetopt.plan import Interval
from fleetopt.problem import FleetSimulation, LatencyBound
from fleetopt.problem.fleet import Scope
from fleetopt.questions.explain.answer import Explanation, Finding
from fleetopt.questions.explain.causes import Cause
from fleetopt.questions.explain.counterfactuals import Change, counterfactuals
from fleetopt.questions.explain.finding import Evidence, finding
from fleetopt.questions.explain.remedies import remedies
from fleetopt.questions.explain.replaying import Base, base_runs, changed_runs, remedy_runs
from fleetopt.questions.explain.seen import Seen
from fleetopt.questions.explain.tallies import Units
from fleetopt.questions.fleets import Scenario, scenario_of
from fleetopt.questions.fleets.answer import Simulation, answer_of, interval
from fleetopt.questions.fleets.simulating import Progress, replications_of, seeds, workers
from fleetopt.simulation.fleet_results import FleetResult
from fleetopt.verification.blocks import BLOCKS, block_of

_ORDER = {"pass": 0, "too short": 1, "inconclusive": 1, "fail": 2, "unstable": 3}


def explain(
    stated: FleetSimulation,
    beside: Path | None = None,
    *,
    scope: Scope = "pool",
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Why a fleet misses its SLO on its traffic, or what would bind first.

    beside: folder in which relative files are looked up first. scope: whether each pool keeps
    the SLO by itself or all requests together. Raises InputError with every fault.
    """
    scenario = scenario_of(stated, beside)
    return explain_scenario(scenario, scope=scope, executor=executor, progress=progress)


def explain_scenario(
    scenario: Scenario,
    *,
    scope: Scope = "pool",
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """The same with everything that the statement names already read."""
    show = progress or (lambda _: None)
    with workers(executor, progress) as running:
        show("simulating the fleet as it is")
        base = base_runs(scenario, seeds(scenario, replications_of(scenario)), running)
        simulation = answer_of(scenario, [one.run for one in base])
        changed = _changed(scenario, base, running, show)
        evidence = _evidence(scenario, base, changed)
        findings = tuple(_findings(scenario, simulation, evidence))
        worst = _worst(findings, scope)
        show("simulating what would mend it")
        found = findings[worst]
        pool = _pool_of(found, findings, evidence)
        only = pool if found.pool else None
        mended = tuple(
            remedies(
                scenario,
                evidence,
                found,
                pool,
                lambda fleet: remedy_runs(scenario, fleet, base, running, only),
            )
        )
    return Explanation(simulation, scope, findings, worst, mended)


def _changed(
    scenario: Scenario, base: Sequence[Base], running: Executor, show: Progress
) -> dict[Cause, Sequence[Seen]]:
    """The counterfactual runs, by the cause that they are without."""
    found: dict[Cause, Sequence[Seen]] = {}
    runs = [one.run for one in base]
    changes: list[tuple[Cause, Change]] = list(
        counterfactuals(scenario, _unstable(scenario, base), runs, [one.accounts for one in base])
    )
    for cause, change in changes:
        show(f"simulating without {cause}")
        found[cause] = changed_runs(scenario, change, base, running)
    return found


def _unstable(scenario: Scenario, base: Sequence[Base]) -> tuple[bool, ...]:
    runs = tuple(one.run for one in base)
    result = FleetResult(scenario.fleet, tuple(scenario.stated.slo), runs)
    return tuple(result.is_unstable(pool.name) for pool in scenario.fleet.pools)


def _evidence(
    scenario: Scenario, base: Sequence[Base], changed: dict[Cause, Sequence[Seen]]
) -> Evidence:
    return Evidence(
        names=tuple(pool.name for pool in scenario.fleet.pools),
        unstable=_unstable(scenario, base),
        base=tuple(one.accounts for one in base),
        changed=changed,
        units=_units(scenario, base),
        too_short=bool(scenario.too_short),
        counted=len(base) == 1,
    )


def _units(scenario: Scenario, base: Sequence[Base]) -> Units:
    """Replications, or the blocks of a single one."""
    pools = tuple(one.pool for one in base)
    if len(base) > 1:
        units = [np.full(one.pool.size, r) for r, one in enumerate(base)]
        return Units(tuple(units), pools, len(base))
    start, whole_s = scenario.horizon.warmup_s, scenario.horizon.measured_s
    blocks = block_of(base[0].traffic.arrival_s - start, whole_s)
    return Units((blocks,), pools, BLOCKS)


def _findings(scenario: Scenario, simulation: Simulation, evidence: Evidence) -> list[Finding]:
    """Each bound in each pool that has requests, and of all requests together."""
    result = FleetResult(scenario.fleet, tuple(scenario.stated.slo), simulation.runs)
    pools: list[int | None] = [
        p for p in range(len(evidence.names))
        if any((run.pool == p).any() for run in evidence.base)
    ]  # fmt: skip
    parts = pools if len(evidence.names) == 1 else [*pools, None]
    return [
        finding(evidence, bound, pool, _percentile_ms(result, bound, pool))
        for pool in parts
        for bound in scenario.stated.slo
    ]


def _percentile_ms(result: FleetResult, bound: LatencyBound, pool: int | None) -> Interval:
    """The bound's own percentile of the completed requests."""
    group = "fleet" if pool is None else f"pool {result.fleet.pools[pool].name}"
    found = result.latency_s(bound.metric, bound.percentile, group)
    return interval(found, 1000.0, least=0.0)


def _worst(findings: Sequence[Finding], scope: Scope) -> int:
    """The finding nearest to failing, or farthest beyond, of those that the scope judges."""
    whole = scope == "fleet" and any(not one.pool for one in findings)
    judged = [i for i, one in enumerate(findings) if bool(one.pool) != whole]
    return max(judged or range(len(findings)), key=lambda i: _severity(findings[i]))


def _severity(found: Finding) -> tuple[int, float]:
    order = _ORDER[found.standing]
    if order:
        return order, found.missed / max(1, found.arrivals) / found.bound.allowed_miss
    return order, (found.value_ms.estimate or 0.0) / found.bound.limit_ms


def _pool_of(found: Finding, findings: Sequence[Finding], evidence: Evidence) -> int:
    """The pool of a finding, or of the fleet's the one with most of its misses."""
    if found.pool:
        return evidence.names.index(found.pool)
    pools = [one for one in findings if one.pool and one.bound == found.bound]
    most = max(pools, key=lambda one: (one.missed, one.examined_count), default=None)
    return evidence.names.index(most.pool) if most else 0
