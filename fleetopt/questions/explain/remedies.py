"""What would mend a miss: fleets with something changed, on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from fleetopt.problem import RouterStatement
from fleetopt.questions.explain.answer import Finding, Remedy
from fleetopt.questions.explain.causes import Cause
from fleetopt.questions.explain.counterfactuals import with_pools
from fleetopt.questions.explain.finding import Evidence, leading, standing_of
from fleetopt.questions.explain.seen import Accounts
from fleetopt.questions.explain.tallies import attainment, gained
from fleetopt.questions.fleets import Scenario
from fleetopt.simulation.fleet import Fleet
from fleetopt.simulation.fleet_model import FleetPool

Run = Callable[[Fleet], Sequence[Accounts]]

_STEPS = 3
"""Sizes that are tried: one replica more, then twice as many more each time; or one fewer."""
_SPLITS = 2
"""Split lengths that are tried."""


def remedies(
    scenario: Scenario, evidence: Evidence, found: Finding, pool: int, run: Run
) -> Iterator[Remedy]:
    """What mends a finding, tried in its pool; for one that passes, replicas fewer there."""
    judge = _Judge(scenario.fleet, evidence, found, pool, run)
    current = scenario.fleet.pools[pool]
    if found.standing == "pass":
        yield from _smaller(judge, scenario, pool)
        return
    yield from _larger(judge, found, current)
    if found.cause is Cause.WINDOW and scenario.stated.router.name != "length":
        by_length = scenario.with_router(RouterStatement())
        yield judge("the length router", [current], by_length.fleet)
        return
    if not current.capacity.kv_blocks:
        yield judge("paged KV", [_paged(scenario, pool)])
    for tokens, parts in _splits(scenario, evidence, pool):
        counts = " + ".join(f"{part.replicas:,}" for part in parts)
        yield judge(f"split at {tokens:,}, {counts}", parts)


def _smaller(judge: _Judge, scenario: Scenario, pool: int) -> Iterator[Remedy]:
    """Fewer replicas until the bound is not kept, and whether paged KV would keep it then."""
    current = scenario.fleet.pools[pool]
    for fewer in range(1, min(_STEPS, current.replicas - 1) + 1):
        left = current.replicas - fewer
        remedy = judge(f"{_replicas(fewer)} fewer", [replace(current, replicas=left)])
        yield remedy
        if remedy.standing != "pass":
            if not current.capacity.kv_blocks:
                paged = replace(_paged(scenario, pool), replicas=left)
                yield judge(f"{_replicas(fewer)} fewer, paged KV", [paged])
            break


def _paged(scenario: Scenario, pool: int) -> FleetPool:
    """A pool whose sequences take KV blocks instead of reserving a window."""
    current = scenario.fleet.pools[pool]
    seqs = scenario.stated.pools[pool].max_num_seqs
    return replace(current, capacity=scenario.profiles[pool].paged(current.max_context, seqs))


def _larger(judge: _Judge, found: Finding, current: FleetPool) -> Iterator[Remedy]:
    """More replicas, until the bound is kept or they help no more."""
    more = 1 if found.standing != "unstable" else max(1, round(0.1 * current.replicas))
    for _ in range(_STEPS):
        grown = replace(current, replicas=current.replicas + more)
        remedy = judge(f"{_replicas(more)} more", [grown])
        yield remedy
        if remedy.standing == "pass" or (remedy.gained.estimate or 0.0) <= 0.0:
            break
        more *= 2


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count:,} replicas"


class _Judge:
    """Runs a fleet with one pool replaced, and says how the finding's requests fare."""

    def __init__(
        self, fleet: Fleet, evidence: Evidence, found: Finding, pool: int, run: Run
    ) -> None:
        self.fleet = fleet
        self.evidence, self.found, self.pool, self.run = evidence, found, pool, run
        self.judged = None if not found.pool else pool
        limit_s = found.bound.limit_s
        self.base = evidence.units.tally(evidence.base, found.bound.metric, limit_s, self.judged)

    def __call__(
        self, changed: str, instead: Sequence[FleetPool], fleet: Fleet | None = None
    ) -> Remedy:
        """The remedy of other pools in place of the finding's own."""
        pools = list(self.fleet.pools)
        pools[self.pool : self.pool + 1] = instead
        changed_fleet = with_pools(fleet or self.fleet, pools)
        bound = self.found.bound
        runs = self.run(changed_fleet)
        units = self.evidence.units
        tally = units.tally(runs, bound.metric, bound.limit_s, self.judged)
        beyond = [
            units.members(r, run, self.judged) & run.missed(bound) for r, run in enumerate(runs)
        ]
        within = attainment(tally)
        where = f" in {self.evidence.names[self.pool]}" if len(self.fleet.pools) > 1 else ""
        return Remedy(
            changed + where,
            sum(pool.replicas * pool.gpus_per_replica for pool in pools),
            within,
            gained(self.base, tally),
            standing_of(within, bound.percentile, self.evidence.counted),
            tally.misses,
            leading(runs, beyond, bound.metric),
            _pages(instead) and not _pages(self.fleet.pools[self.pool : self.pool + 1]),
        )


def _pages(pools: Sequence[FleetPool]) -> bool:
    return all(pool.capacity.kv_blocks for pool in pools)


def _splits(
    scenario: Scenario, evidence: Evidence, p: int
) -> Iterator[tuple[int, tuple[FleetPool, FleetPool]]]:
    """The pool as two of as many replicas together, split where the slots would go farthest.

    Replicas are shared out by the slots that the requests of either side need; a slot of the
    shorter side is a smaller one.
    """
    pool, stated = scenario.fleet.pools[p], scenario.stated
    if stated.router.name != "length" or stated.router.thresholds or pool.replicas < 2:
        return
    tokens, held = _held(evidence, p)
    found = []
    for exponent in range(9, pool.max_context.bit_length()):
        at = 2**exponent
        if not tokens.size or at >= pool.max_context or not tokens.min() < at < tokens.max():
            continue
        short = scenario.profiles[p].reserved(at)
        if pool.capacity.kv_blocks:
            short = scenario.profiles[p].paged(at, stated.pools[p].max_num_seqs)
        below = float(held[tokens <= at].sum()) / short.slots
        above = float(held[tokens > at].sum()) / pool.capacity.slots
        n = min(pool.replicas - 1, max(1, round(pool.replicas * below / (below + above))))
        need = max(below / n, above / (pool.replicas - n))
        first = replace(pool, name=f"{pool.name}-to-{at}", capacity=short, replicas=n)
        found.append((need, at, (first, replace(pool, replicas=pool.replicas - n))))
    for _, at, parts in sorted(found, key=lambda one: one[:2])[:_SPLITS]:
        yield at, parts


def _held(evidence: Evidence, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Total lengths of a pool's requests, and how long they hold their slots."""
    mine = [run.pool == p for run in evidence.base]
    tokens = [run.total_tokens[m] for run, m in zip(evidence.base, mine, strict=True)]
    held = [run.residence_s[m] for run, m in zip(evidence.base, mine, strict=True)]
    return np.concatenate(tokens), np.concatenate(held)
