"""How much margin the plan has: growth that it carries, bursts, and failures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from fleetopt.performance.profile import calibrated
from fleetopt.plan import Verdict
from fleetopt.problem import AVAILABILITIES
from fleetopt.questions.advice.answer import Answer, Certainty
from fleetopt.questions.advice.fleets import MOST_TIMES, Fleets
from fleetopt.questions.advice.ruling import Ruling
from fleetopt.questions.advice.side import Side
from fleetopt.questions.whatif.checking import ABOVE, BELOW
from fleetopt.questions.whatif.staircase import Reach
from fleetopt.queueing.availability import SpareRule, replicas_to_buy
from fleetopt.simulation.pool import Horizon
from fleetopt.verification import Judge
from fleetopt.verification.least import least_passing
from fleetopt.workload.arrivals import ModulatedPoisson

BURST_TIMES, BURST_S, BURST_SHARE = 2.0, 10.0, 0.1
"""Bursts that are tried: twice the mean rate, for 10 s on average, a tenth of the time."""
LEAST_CYCLES = 10
"""Bursts that a replication sees at least, on average."""
GUESS_TIMES = 1.5
"""Times the plan's replicas from which the search for enough in bursts starts."""
AVAILABILITY = AVAILABILITIES["A100_AVAIL_RSC1_SLOW"]
"""Share of the time that a node is up, where the problem states none."""


@dataclass(frozen=True)
class Weakest:
    """The pool that breaks first as the arrival rate grows.

    carries: the fleet, requests per second of all. limit: what holds the pool back there.
    below, above: what the simulator says of the pool at 0.98 and 1.05 times that.
    """

    pool: str
    carries: float
    limit: str
    below: Verdict = "not verified"
    above: Verdict = "not verified"


def margin(fleets: Fleets, plan: Side) -> Answer:
    """The plan under more load, in bursts, and with failing nodes."""
    weakest = breaks_first(fleets, plan)
    rule, outcome = _ruling(fleets, plan)
    figures: dict[str, Any] = {
        "carries_requests_per_s": weakest.carries,
        "growth": weakest.carries / fleets.case.arrival_rate - 1.0,
        "weakest_pool": weakest.pool,
        "limit": weakest.limit,
        "verdict_below": weakest.below,
        "verdict_above": weakest.above,
        "availability": rule.availability,
        "gpus_per_node": rule.gpus_per_node,
        "target": rule.target,
    }
    burst = in_bursts(fleets, plan)
    failing = designed_with_spares(fleets, plan, rule)
    spread = with_spares(fleets, plan, replace(rule, gpus_per_node=1))
    sure: Certainty = "simulated" if weakest.below != "not verified" else "table"
    sides = tuple(side for side in (burst, failing, spread) if side is not None)
    return Answer("margin", plan, burst, (outcome,), sure, sides, figures)


def breaks_first(fleets: Fleets, plan: Side) -> Weakest:
    """The least Lambda(n) over the pools, each by its share of the requests."""
    assert plan.fleet is not None
    found = []
    for i, (pool, gammas) in enumerate(zip(plan.fleet.pools, plan.fleet.gammas, strict=True)):
        what = fleets.case.serves(pool.lo_tokens, pool.hi_tokens, *gammas)
        spec = calibrated(fleets.case.profile(pool.profile)).spec
        share = fleets.case.lengths.served_share(what)
        reach = Reach(what, spec, share, fleets.table(pool, gammas))
        found.append((reach.rate(pool.replicas), i, reach))
    carries, i, reach = min(found, key=lambda each: each[0])
    pool = plan.fleet.pools[i]
    weakest = Weakest(pool.name, carries, reach.limit(pool.replicas) if carries > 0 else "")
    if not isinstance(fleets.judge, Judge) or carries == 0.0:
        return weakest
    asked = fleets.judged(plan.fleet, i)
    below, above = (
        fleets.judge.verdict(replace(asked, arrival_rate=factor * reach.pool_rate(pool.replicas)))
        for factor in (BELOW, ABOVE)
    )
    return replace(weakest, below=below.verdict, above=above.verdict)


def in_bursts(fleets: Fleets, plan: Side) -> Side | None:
    """The plan's pools with the fewest replicas that pass in bursts of all requests.

    None without a simulator, and on a trace, which has bursts of its own. The requests of a
    pool are drawn from all, so their bursts have the same shape.
    """
    judge, fleet = fleets.judge, plan.fleet
    if not isinstance(judge, Judge) or fleet is None:
        return None
    fleets.progress("simulating bursts")
    counts = [_least_in_bursts(judge, fleets, plan, i) for i in range(len(fleet.pools))]
    if any(math.isinf(count) for count in counts):
        why = f"some pool fails in bursts with {MOST_TIMES} times its replicas"
        return Side("in bursts", None, why=why)
    spare = [
        fleets.spares.to_buy(int(n), p.gpus // p.bought) - int(n)
        for n, p in zip(counts, fleet.pools, strict=True)
    ]
    side = fleets.changed("in bursts", fleet, [int(n) for n in counts], spare)
    return replace(side, verdict="pass")


def bursts_of(rate: float) -> ModulatedPoisson:
    """Arrivals of a mean rate that come in bursts."""
    quiet = (1.0 - BURST_SHARE * BURST_TIMES) / (1.0 - BURST_SHARE)
    quiet_s = BURST_S * (1.0 - BURST_SHARE) / BURST_SHARE
    return ModulatedPoisson(BURST_TIMES * rate, quiet * rate, BURST_S, quiet_s)


def _least_in_bursts(judge: Judge, fleets: Fleets, plan: Side, index: int) -> float:
    assert plan.fleet is not None
    asked = fleets.judged(plan.fleet, index)
    horizon = Horizon.by_law(judge.model(asked), judge.options.requests)
    seconds = max(horizon.measured_s, LEAST_CYCLES * BURST_S / BURST_SHARE)
    options = judge.options.model_copy(update={"requests": math.ceil(seconds * asked.arrival_rate)})
    bursty = Judge(
        judge.case, options, judge.executor, judge.progress, arrivals=bursts_of, stages=1
    )
    first = asked.replicas
    return least_passing(
        lambda n: bursty.verdict(replace(asked, replicas=n)).verdict == "pass",
        first, MOST_TIMES * first, math.ceil(GUESS_TIMES * first),
    )  # fmt: skip


def designed_with_spares(fleets: Fleets, plan: Side, rule: SpareRule) -> Side:
    """The cheapest fleet with spare replicas; the plan itself if the problem asks for them."""
    if fleets.spares.availability < 1.0 and fleets.spares.kind == "probability":
        return plan
    keys = {"availability": rule.availability, "failures": None, "availability_rule": rule.kind}
    return fleets.solved("designed with spares", **keys)


def with_spares(fleets: Fleets, plan: Side, rule: SpareRule) -> Side:
    """The plan with spare replicas, each replica on a node of its own."""
    assert plan.fleet is not None
    pools = plan.fleet.pools
    spare = [rule.to_buy(p.replicas, p.gpus // p.bought) - p.replicas for p in pools]
    return fleets.changed("each on its own node", plan.fleet, [p.replicas for p in pools], spare)


def rule_of(fleets: Fleets) -> SpareRule:
    """The spare rule of the problem; the published slow repair where it states none."""
    stated = SpareRule.of(fleets.case.problem)
    share = stated.availability if stated.availability < 1.0 else AVAILABILITY
    return replace(stated, availability=share, kind="probability")


def _ruling(fleets: Fleets, plan: Side) -> tuple[SpareRule, Ruling]:
    """Share of the time that enough replicas of all pools are up with n / A of each."""
    rule = rule_of(fleets)
    assert plan.fleet is not None
    bought, up = [], 1.0
    for pool in plan.fleet.pools:
        each = pool.gpus // pool.bought
        bought.append(replicas_to_buy(pool.replicas, rule.availability))
        up = min(up, 1.0 - rule.short_share(pool.replicas, bought[-1], each))
    replicas = [pool.replicas for pool in plan.fleet.pools]
    spare = [b - n for b, n in zip(bought, replicas, strict=True)]
    side = fleets.changed("n / A", plan.fleet, replicas, spare)
    why = (
        f"enough replicas of the worst pool are up {100 * up:.2f} % of the time at "
        f"A = {100 * rule.availability:.2f} %, {rule.gpus_per_node} GPUs to a node; "
        f"{100 * rule.target:.4g} % are asked for"
    )
    advises = f"buy {sum(bought):,} for {sum(replicas):,}"
    return rule, Ruling("n / A", advises, "right" if up >= rule.target else "wrong", why, side)
