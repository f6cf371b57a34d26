"""What would mend a miss: fleets with something changed, on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from fleetopt.questions.explain.answer import Finding, Remedy
from fleetopt.questions.explain.counterfactuals import Change, with_pools
from fleetopt.questions.explain.finding import Evidence, standing_of
from fleetopt.questions.explain.seen import Seen
from fleetopt.questions.explain.tallies import attainment, gained
from fleetopt.questions.fleets import Scenario
from fleetopt.simulation.fleet_model import FleetPool

Run = Callable[[Change], Sequence[Seen]]

_MORE = 3
"""Sizes that are tried: one replica more, then twice as many more each time."""
_SPLITS = 2
"""Split lengths that are tried."""


def remedies(
    scenario: Scenario, evidence: Evidence, found: Finding, pool: int, run: Run
) -> Iterator[Remedy]:
    """What mends a finding, tried in its pool; for one that passes, one replica fewer there."""
    judge = _Judge(evidence, found, pool, run)
    current = scenario.fleet.pools[pool]
    if found.standing == "pass":
        if current.replicas > 1:
            fewer = replace(current, replicas=current.replicas - 1)
            yield judge("one replica fewer", scenario, [fewer])
        return
    more = 1 if found.standing != "unstable" else max(1, round(0.1 * current.replicas))
    for _ in range(_MORE):
        grown = replace(current, replicas=current.replicas + more)
        remedy = judge(f"{more} replica{'s' if more > 1 else ''} more", scenario, [grown])
        yield remedy
        if remedy.keeps == "pass":
            break
        more *= 2
    if not current.capacity.kv_blocks:
        seqs = scenario.stated.pools[pool].max_num_seqs
        paged = scenario.profiles[pool].paged(current.max_context, seqs)
        yield judge("paged KV admission", scenario, [replace(current, capacity=paged)])
    for tokens, parts in _splits(scenario, evidence, pool):
        counts = " + ".join(f"{part.replicas}" for part in parts)
        yield judge(f"split at {tokens:,} tokens, {counts} replicas", scenario, parts)


class _Judge:
    """Runs a fleet with one pool replaced, and says how the finding's requests fare."""

    def __init__(self, evidence: Evidence, found: Finding, pool: int, run: Run) -> None:
        self.evidence, self.found, self.pool, self.run = evidence, found, pool, run
        self.judged = None if not found.pool else pool
        limit_s = found.bound.limit_s
        self.base = evidence.units.tally(evidence.base, found.bound.metric, limit_s, self.judged)

    def __call__(self, changed: str, scenario: Scenario, instead: Sequence[FleetPool]) -> Remedy:
        pools = list(scenario.fleet.pools)
        pools[self.pool : self.pool + 1] = instead
        fleet = with_pools(scenario.fleet, pools)
        bound = self.found.bound
        seen = self.run(Change(fleet))
        tally = self.evidence.units.tally(seen, bound.metric, bound.limit_s, self.judged)
        within = attainment(tally)
        where = f" in {self.evidence.names[self.pool]}" if len(scenario.fleet.pools) > 1 else ""
        return Remedy(
            changed + where,
            sum(pool.replicas * pool.gpus_per_replica for pool in pools),
            within,
            gained(self.base, tally),
            standing_of(within, bound.percentile, self.evidence.counted),
        )


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
