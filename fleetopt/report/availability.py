"""Spare replicas in words: what is bought, what must be up, and why so many."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.plan import Plan, Pool
from fleetopt.queueing.availability import SpareRule
from fleetopt.report import wording


def spare_lines(plan: Plan) -> Iterator[str]:
    """What is bought and what must be up, where the two differ; one line for each pool."""
    if not any(pool.spare_replicas for pool in plan.fleet.pools):
        return
    rule = SpareRule.of(plan.problem)
    up = f"up {100 * rule.availability:.6g}{wording.NO_BREAK}% of the time"
    if rule.kind == "mean":
        yield f"Availability: a replica is {up}; enough of each pool are up on average."
    else:
        node = f"a node of {wording.counted(rule.gpus_per_node, 'GPU')}"
        yield (
            f"Availability: {node} is {up} and fails as a whole; enough replicas of each pool "
            f"are up {_share(rule.target)} of it."
        )
    for pool in plan.fleet.pools:
        yield f"  {_bought(pool)}; {_why(pool, rule)}."


def _bought(pool: Pool) -> str:
    return (
        f"{pool.name} buys {wording.counted(pool.bought, 'replica')}, of which "
        f"{pool.replicas:,} must be up"
    )


def _why(pool: Pool, rule: SpareRule) -> str:
    """How often fewer are up, and what the other rule would buy."""
    gpus = pool.gpus // pool.bought
    short = _share(rule.short_share(pool.replicas, pool.bought, gpus))
    if rule.kind == "mean":
        size = wording.counted(rule.gpus_per_node, "GPU")
        return f"where nodes of {size} fail as a whole, fewer are up {short} of the time"
    text = f"fewer are up {short} of the time"
    mean = SpareRule(rule.availability, "mean", rule.target, rule.gpus_per_node)
    average = mean.to_buy(pool.replicas, gpus)
    if average < pool.bought:
        often = _share(mean.short_share(pool.replicas, average, gpus))
        text += f"; with the {average:,} that are enough on average it would be {often}"
    return text


def _share(share: float) -> str:
    """A share that may lie close to 0 or to 1, in percent."""
    digits = 3 if share < 0.5 else 7
    return f"{100 * share:.{digits}g}{wording.NO_BREAK}%"
