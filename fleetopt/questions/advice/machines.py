"""Which GPU alone, whether to mix, and which GPU for the longest requests?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

from fleetopt.questions.advice.answer import Answer, certainty
from fleetopt.questions.advice.fleets import Fleets
from fleetopt.questions.advice.ruling import (
    LONG_CONTEXT_TOKENS,
    LONG_P99_TOKENS,
    Ruling,
    Traits,
    p99_tokens,
)
from fleetopt.questions.advice.side import Side

CHEAP, OLD, FAST = "a10g", "a100", "h100"
"""The GPUs that published rules name."""


class Machines:
    """Fleets of one GPU type each, and of two."""

    def __init__(self, fleets: Fleets, plan: Side, traits: Traits) -> None:
        self._fleets = fleets
        self._plan = plan
        self._traits = traits
        alone = [self._alone(gpu) for gpu in fleets.types]
        self.alone = sorted(alone, key=lambda side: side.usd_per_year)
        self.best = fleets.simulated(self.alone[0])
        self.alone[0] = self.best

    def which(self) -> Answer:
        """Which GPU, if there is to be one type?"""
        second = self.alone[1] if len(self.alone) > 1 else None
        if second is not None and second.fleet is None:
            second = None
        sure = certainty(self.best) if self.best is self._plan else certainty(self.best, second)
        return Answer("gpu", self.best, second, (self._cheap_in_two(),), sure, tuple(self.alone))

    def mix(self) -> Answer:
        """Mix GPU types?"""
        is_mixed = len(self._plan.types) > 1
        other = self.best if is_mixed else self._fleets.simulated(self._cheapest_mix())
        rulings = (self._mixing(is_mixed),)
        return Answer("mix", self._plan, other, rulings, certainty(self._plan, other))

    def long_context(self) -> Answer:
        """Which GPU for the plan's last pool? Each with the fewest replicas that pass."""
        assert self._plan.fleet is not None
        pool = self._plan.fleet.pools[-1]
        lo, hi = pool.lo_tokens, pool.hi_tokens
        found = [self._last_pool(lo, hi, gpu) for gpu in self._fleets.profiles]
        found.sort(key=lambda side: side.usd_per_year)
        others = [side for side in found[1:] if side.fleet is not None]
        figures = {
            "lo_tokens": lo,
            "hi_tokens": hi,
            "p99_tokens": p99_tokens(self._fleets.case, lo, hi),
        }
        ruling = self._long(found, figures["p99_tokens"])
        return Answer(
            "long_context", found[0], next(iter(others), None), (ruling,),
            certainty(found[0], *others), tuple(found), figures,
        )  # fmt: skip

    def _alone(self, gpu: str) -> Side:
        return self._plan if self._plan.types == (gpu,) else self._fleets.of_type(gpu)

    def _cheapest_mix(self) -> Side:
        points = self._fleets.case.breakpoints[1:-1]
        pairs = list(permutations(self._fleets.profiles, 2))
        made = [
            self._fleets.two_pools("two types", t, [short], [long])
            for t in points
            for short, long in pairs
        ]
        return _cheapest(made, Side("two types", None, why="there is no mixed fleet"))

    def _cheap_in_two(self) -> Ruling:
        rule = "cheap GPU in two pools"
        if not {CHEAP, FAST} <= set(self._fleets.profiles):
            return Ruling(rule, "", "silent", f"{CHEAP} and {FAST} are not both to choose from")
        points = self._fleets.case.breakpoints[1:-1]
        label = f"two pools of {CHEAP}"
        splits = [self._fleets.two_pools(label, t, [CHEAP], [CHEAP]) for t in points]
        two = _cheapest(splits, Side(label, None, why="no number of it keeps the SLO"))
        one = self._fleets.least(0, self._fleets.case.breakpoints[-1], FAST)
        if two.fleet is None:
            return Ruling(rule, label, "wrong", f"{label}: {two.why}", two)
        if one is None:
            return Ruling(rule, label, "right", f"no number of {FAST} in one pool keeps it", two)
        unsplit = self._fleets.of_pools(f"one pool of {FAST}", [one])
        why = f"by the table {two.gpus:,} {CHEAP} against {unsplit.gpus:,} {FAST} in one pool"
        holds = unsplit.costs_more_than(two)
        return Ruling(rule, label, "right" if holds else "wrong", why, two)

    def _mixing(self, is_mixed: bool) -> Ruling:
        cheap, *dearer = self._fleets.profiles
        if not dearer:
            return Ruling("mix", "", "silent", "there is one GPU type to choose from")
        at = self._traits.threshold
        followed = self._fleets.two_pools(f"{cheap} to {at:,}", at, [cheap], dearer)
        followed = self._fleets.simulated(followed)
        types = " and ".join(self._plan.types)
        why = f"the cheapest fleet is of {types}"
        return Ruling("mix", "mix", "right" if is_mixed else "wrong", why, followed)

    def _last_pool(self, lo: int, hi: int, gpu: str) -> Side:
        pool = self._fleets.least(lo, hi, gpu)
        if pool is None:
            return Side(gpu, None, why="no number of replicas keeps the SLO, by the table")
        return self._fleets.enough(self._fleets.of_pools(gpu, [pool]))

    def _long(self, found: Sequence[Side], p99: int) -> Ruling:
        rule = "H100 for long contexts"
        sides = {side.label: side for side in found}
        context = self._fleets.case.breakpoints[-1]
        said = f"P99 length {p99:,} tokens, context {context:,}"
        if not {OLD, FAST} <= set(sides):
            return Ruling(rule, "", "silent", f"{OLD} and {FAST} are not both to choose from")
        if p99 <= LONG_P99_TOKENS and context < LONG_CONTEXT_TOKENS:
            return Ruling(rule, "", "silent", said)
        old, fast = sides[OLD], sides[FAST]
        alone = next((side for side in self.alone if side.types == (OLD,)), None)
        by = "in simulation" if old.said else "by the table"
        if old.fleet is not None:
            verb = "is" if old.gpus == 1 else "are"
            why = f"{said}; {old.gpus:,} {OLD} {verb} enough {by} in the plan's last pool"
        elif alone is not None:
            why = (
                f"{said}; not in the plan's last pool, but by the table {alone.gpus:,} {OLD} alone "
                "serve all"
            )
        else:
            return Ruling(rule, FAST, "right", f"{said}; {OLD}: {old.why}", fast)
        is_best = fast.fleet is not None and fast is found[0]
        return Ruling(rule, FAST, "overstated" if is_best else "wrong", why, fast)


def _cheapest(sides: Iterable[Side], otherwise: Side) -> Side:
    built = [side for side in sides if side.fleet is not None]
    return min(built, key=lambda side: side.usd_per_year, default=otherwise)
