"""Should requests be split by length, and where?"""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.questions.advice.answer import Answer, certainty
from fleetopt.questions.advice.fleets import Fleets
from fleetopt.questions.advice.ruling import Outcome, Ruling, Traits
from fleetopt.questions.advice.side import Side


class Splits:
    """Two pools at every breakpoint and at the published threshold, and one pool."""

    def __init__(self, fleets: Fleets, plan: Side, traits: Traits) -> None:
        self._fleets = fleets
        self._plan = plan
        self._traits = traits
        gpus = fleets.profiles
        self.everywhere = fleets.everywhere()
        name = f"two pools at {traits.threshold:,}"
        self.at_threshold = fleets.simulated(fleets.two_pools(name, traits.threshold, gpus, gpus))
        self.one_pool = fleets.enough(fleets.one_pool())

    def whether(self) -> Answer:
        """Split?"""
        if self._plan.thresholds:
            other = self.one_pool
        else:
            best = min(self.everywhere, key=lambda side: side.usd_per_year, default=None)
            other = self.at_threshold if best is None else self._fleets.simulated(best)
        rulings = (self._heavy(other), self._ratio(other))
        sure = certainty(self._plan, other)
        sides = (self._plan, other, self.at_threshold)
        return Answer("split", self._plan, other, rulings, sure, sides)

    def where(self) -> Answer:
        """Where to split? Two pools at every breakpoint are by the table."""
        at = self.at_threshold
        loses = at.costs_more_than(self._plan) or at.is_refused
        why = f"the cheapest fleet splits at {_tokens(self._plan.thresholds)}"
        threshold = f"{self._traits.threshold:,} tokens"
        ruling = Ruling("default threshold", threshold, "wrong" if loses else "right", why, at)
        built = self.everywhere
        worst = max(built, key=lambda side: side.usd_per_year, default=None)
        figures = {"splits": [(s.thresholds[0], s.usd_per_year) for s in built]}
        sure = certainty(self._plan, at)
        return Answer(
            "where", self._plan, at, (ruling,), sure, tuple(filter(None, (at, worst))), figures
        )

    def _splitting(self, other: Side) -> Outcome:
        """What becomes of the advice to split: two pools that cost the same do no harm."""
        if self._plan.thresholds:
            return "right"
        return "wrong" if other.costs_more_than(self._plan) else "overstated"

    def _heavy(self, other: Side) -> Ruling:
        traits, one = self._traits, self.one_pool
        said = f"squared coefficient of variation of the work {traits.work_cv2:.2f}"
        if not traits.is_heavy:
            return Ruling("heavy tail", "", "silent", said)
        if one.fleet is None or one.is_refused:
            return Ruling("heavy tail", "split", "right", f"{said}; {one.why}", self.at_threshold)
        keeps = "passes in simulation" if one.said else "keeps the SLO by the table"
        why = f"{said}; one pool of {one.gpus:,} {one.types[0]} {keeps}"
        outcome = self._splitting(other)
        outcome = "overstated" if outcome == "right" else outcome  # one pool does it too
        return Ruling("heavy tail", "split", outcome, why, self.at_threshold)

    def _ratio(self, other: Side) -> Ruling:
        traits = self._traits
        advises = traits.ratio_advises(self._fleets.case.arrival_rate)
        if not advises:
            return Ruling("ratio and share", "", "silent", traits.words)
        if advises == "split":
            outcome, followed = self._splitting(other), self.at_threshold
        else:
            outcome, followed = "wrong" if self._plan.thresholds else "right", self.one_pool
        return Ruling("ratio and share", advises, outcome, traits.words, followed)


def _tokens(thresholds: Sequence[int]) -> str:
    return " and ".join(f"{t:,}" for t in thresholds) + " tokens" if thresholds else "no length"
