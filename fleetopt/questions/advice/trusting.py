"""Is simulation needed, or can the formulas be trusted?"""

from __future__ import annotations

from dataclasses import replace

from fleetopt.errors import InputError
from fleetopt.plan import Plan
from fleetopt.questions.advice.answer import Answer, certainty
from fleetopt.questions.advice.fleets import Fleets
from fleetopt.questions.advice.ruling import Outcome, Ruling, Traits
from fleetopt.questions.advice.side import Side


def simulate(fleets: Fleets, plan: Plan, chosen: Side, traits: Traits) -> Answer:
    """What the table's own optimum and the published method's fleet become in the simulator."""
    published = fleets.simulated(by_published_method(fleets))
    refused = plan.status.refused_rows
    pairs = zip(plan.prediction.pools, chosen.said, strict=False)
    errors = [
        abs(p.p99_ttft_ms / said.p99_ttft_ms.estimate - 1.0)
        for p, said in pairs
        if p.p99_ttft_ms and said.p99_ttft_ms.estimate
    ]
    figures = {
        "refused_rows": len(refused),
        "bound_usd_per_year": plan.status.bound_usd_per_year,
        "largest_table_error": max(errors, default=None),
    }
    needed = bool(refused) or published.is_refused
    ruling = _ruling(fleets, published, traits, needed)
    return Answer(
        "simulate", chosen, published, (ruling,), certainty(chosen, published),
        (published,), figures,
    )  # fmt: skip


def by_published_method(fleets: Fleets) -> Side:
    """The cheapest of one pool and of two at any point whose published P99 is within the bound."""
    label = "published method"
    stated = fleets.case.problem.model_copy(update={"method": "published"})
    theirs = Fleets(replace(fleets.case, problem=stated), None, fleets.progress)
    try:
        whole = theirs.cheapest(0, fleets.case.breakpoints[-1], theirs.profiles)
    except InputError as error:
        return Side(label, None, why=str(error))  # it predicts TTFT only
    found = [*theirs.everywhere(), *([theirs.of_pools(label, [whole])] if whole else [])]
    best = min(found, key=lambda side: side.usd_per_year, default=None)
    if best is None:
        return Side(label, None, why="by its formulas no one or two pools keep the bound")
    return replace(best, label=label)


def _ruling(fleets: Fleets, published: Side, traits: Traits, needed: bool) -> Ruling:
    rule = "simulate heavy tails"
    advises = "simulate" if traits.is_heavy else "trust the formulas"
    said = f"squared coefficient of variation of the work {traits.work_cv2:.2f}"
    if fleets.judge is None:
        return Ruling(rule, advises, "silent", f"{said}; nothing was simulated")
    outcome: Outcome = "right" if needed == traits.is_heavy else "wrong"
    why = f"{said}; simulation {'refuses' if needed else 'accepts'} what the formulas choose"
    followed = None if traits.is_heavy else published
    return Ruling(rule, advises, outcome, why, followed)
