"""Should prefill and decode run on replicas of their own? By mean rates, not by percentiles."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np

from fleetopt.performance.profile import ReplicaProfile, calibrated
from fleetopt.plan import HOURS_PER_YEAR, Pool
from fleetopt.problem import PhasesApart, ProfileSpec
from fleetopt.questions.advice.answer import Answer
from fleetopt.questions.advice.fleets import Fleets
from fleetopt.questions.advice.machines import FAST, OLD
from fleetopt.questions.advice.ruling import BUSY_RATE, PHASES_SAVING, Outcome, Ruling
from fleetopt.questions.advice.side import Side
from fleetopt.questions.disaggregation import Apart, Pair, Question
from fleetopt.questions.disaggregation.fleets import fewest
from fleetopt.queueing.published_phases import PhaseLoad, tpot_s, ttft_s
from fleetopt.workload.lengths import LengthDistribution

FREE_MS = 1e12
"""A TTFT that nobody bounds."""
TPOT_MS = 100.0
"""Bound on TPOT where the SLO has none, as published."""


def disaggregate(fleets: Fleets, plan: Side) -> Answer:
    """Each pool of the plan with its phases apart, where that is cheaper.

    Both phases are held to the utilization that pools are held to. Nothing is simulated.
    """
    assert plan.fleet is not None
    whole, parts = 0.0, []
    for pool, gammas in zip(plan.fleet.pools, plan.fleet.gammas, strict=True):
        what = fleets.case.serves(pool.lo_tokens, pool.hi_tokens, *gammas)
        lengths, _ = fleets.case.lengths.served(what)
        cost, config = cheapest_pair(fleets, pool, lengths)
        own = pool.gpus * _usd_per_gpu_year(fleets, pool)
        whole += min(cost, own)
        if cost < own:
            parts.append((pool.name, config, own - cost))
    chosen = plan
    other = Side("phases apart", None, why="no pool is cheaper with its phases apart")
    if parts:
        names = ", ".join(f"{name} as {config}" for name, config, _ in parts)
        other = replace(plan, label="phases apart", usd_per_year=whole, said=(),
                        verdict="not verified", why=names)  # fmt: skip
        chosen, other = other, plan
    figures = {"parts": [{"pool": n, "config": c, "saves_usd_per_year": s} for n, c, s in parts]}
    rulings = (_ruling(fleets, plan, bool(parts)),)
    return Answer("disaggregate", chosen, other, rulings, "count", (), figures)


def cheapest_pair(fleets: Fleets, pool: Pool, lengths: LengthDistribution) -> tuple[float, str]:
    """USD a year of the cheapest pair of GPUs for a pool's requests, and its counts."""
    found = [
        (apart.usd_per_year, f"{apart.n_prefill} {first.name} + {apart.n_decode} {second.name}")
        for first, second in product(fleets.case.profiles, repeat=2)
        if (apart := _pair(fleets, first, second, pool.hi_tokens, pool.arrival_rate, lengths))
    ]
    return min(found, default=(math.inf, ""))


def _pair(
    fleets: Fleets, first: ReplicaProfile, second: ReplicaProfile, context: int, rate: float,
    lengths: LengthDistribution,
) -> Apart | None:  # fmt: skip
    """The fewest replicas of both phases; None if a bound is missed or a slot has no room.

    Both serve one model, for decode goes on with the KV of prefill. The TTFT is the published
    one, of the P99 prompt instead of the mean one.
    """
    if first.serves != second.serves:
        return None
    if min(first.reserved(context).slots, second.reserved(context).slots) < 1:
        return None
    ttft_ms, tpot_ms = _limits_ms(fleets)
    if 1000.0 * ttft_s(calibrated(first), context, _p99_prompt(lengths)) > ttft_ms:
        return None
    if 1000.0 * tpot_s(calibrated(second), context) > tpot_ms:
        return None
    loads = PhaseLoad.prefill(lengths, first.iteration.chunk_tokens), PhaseLoad.decode(lengths)
    held = rate / fleets.case.problem.max_utilization
    return _with_spares(fleets, fewest((first, second), loads, context, held), first, second)


def _with_spares(
    fleets: Fleets, apart: Apart, first: ReplicaProfile, second: ReplicaProfile
) -> Apart:
    """The same with spare replicas of both phases, where the problem has them."""
    bought = [
        fleets.spares.to_buy(n, profile.gpus_per_replica)
        for n, profile in ((apart.n_prefill, first), (apart.n_decode, second))
    ]
    both = list(zip(bought, (first, second), strict=True))
    return replace(
        apart,
        n_prefill=bought[0],
        n_decode=bought[1],
        gpus=sum(n * profile.gpus_per_replica for n, profile in both),
        usd_per_year=HOURS_PER_YEAR * sum(n * profile.usd_per_hour for n, profile in both),
    )


def _ruling(fleets: Fleets, plan: Side, is_cheaper: bool) -> Ruling:
    """A100 for prefill and H100 for decode, for all lengths at the largest context."""
    rate, case = fleets.case.arrival_rate, fleets.case
    if rate < BUSY_RATE:
        outcome: Outcome = "wrong" if is_cheaper else "right"
        why = f"{rate:.4g} requests per second"
        return Ruling("phases apart", "together", outcome, why)
    if not {OLD, FAST} <= set(fleets.profiles):
        why = f"{OLD} and {FAST} are not both to choose from"
        return Ruling("phases apart", "", "silent", why)
    pair = _published_pair(fleets)
    if pair.misses:
        return Ruling("phases apart", "apart", "wrong", pair.misses)
    label = f"{pair.published.n_prefill}P+{pair.published.n_decode}D"
    context = case.breakpoints[-1]
    held = _pair(fleets, case.profile(OLD), case.profile(FAST), context, rate, case.lengths)
    if held is None:
        limit_ms, _ = _limits_ms(fleets)
        why = f"published count {label}; the TTFT of the P99 prompt is above {limit_ms:g} ms"
        return Ruling("phases apart", "apart", "wrong", why)
    why = f"published count {label}, with the prompt's KV {held.n_prefill}P+{held.n_decode}D; "
    outcome = "right" if held.usd_per_year < plan.usd_per_year else "wrong"
    return Ruling("phases apart", "apart", outcome, why + _against(fleets, held), _followed(held))


def _published_pair(fleets: Fleets) -> Pair:
    """The published count of A100 for prefill and H100 for decode, for the whole workload."""
    case = fleets.case
    ttft_ms, tpot_ms = _limits_ms(fleets)
    stated = PhasesApart(
        cdf=case.problem.cdf, lam=case.arrival_rate, slo_ttft_ms=ttft_ms, slo_tpot_ms=tpot_ms,
        gpu_prefill=OLD, gpu_decode=FAST, max_ctx=case.breakpoints[-1],
        profiles=tuple(spec for spec in case.problem.profiles if isinstance(spec, ProfileSpec)),
    )  # fmt: skip
    return Question(stated).pair(OLD, FAST, case.arrival_rate)


def _followed(held: Apart) -> Side:
    """The fleet of those who follow the rule."""
    counts = f"{held.n_prefill} {OLD} for prefill and {held.n_decode} {FAST} for decode"
    return Side(counts, None, held.usd_per_year)


def _against(fleets: Fleets, held: Apart) -> str:
    """What the pair costs against A100 in one pool, in words."""
    alone = fleets.least(0, fleets.case.breakpoints[-1], OLD)
    if alone is None:
        return "no number of A100 in one pool keeps the SLO"
    more = 100.0 * (held.usd_per_year / alone.usd_per_year - 1.0)
    than = f"{abs(more):.0f} % {'more' if more > 0 else 'less'} than"
    return (
        f"{than if abs(more) >= 0.5 else 'as much as'} {alone.gpus:,} {OLD} in one pool, where "
        f"{100 * PHASES_SAVING:.0f} % less are promised"
    )


def _p99_prompt(lengths: LengthDistribution) -> int:
    """P99 prompt, in tokens."""
    order = np.argsort(lengths.prompt_tokens, kind="stable")
    at = np.searchsorted(np.cumsum(lengths.weights[order]), 0.99 - 1e-12)
    return int(lengths.prompt_tokens[order][at])


def _limits_ms(fleets: Fleets) -> tuple[float, float]:
    """Bounds on TTFT and on TPOT; a TTFT that nobody bounds is free."""
    limits = {"ttft": FREE_MS, "tpot": TPOT_MS}
    for bound in fleets.case.problem.slo:
        if bound.metric in limits:
            limits[bound.metric] = min(limits[bound.metric], bound.limit_ms)
    return limits["ttft"], limits["tpot"]


def _usd_per_gpu_year(fleets: Fleets, pool: Pool) -> float:
    profile = fleets.case.profile(pool.profile)
    return profile.usd_per_hour / profile.gpus_per_replica * HOURS_PER_YEAR
