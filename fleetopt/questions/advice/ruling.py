"""The published rules of thumb, as they are read here, and what becomes of them.

Source: vllm-sr-sim, "Capacity planning scenarios", its filter for splits and its summary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from fleetopt.case import Case
from fleetopt.questions.advice.side import Side

Outcome = Literal["right", "overstated", "wrong", "silent"]
"""Overstated: the advice does no harm here, but the claim behind it does not hold."""

PUBLISHED_SPLIT = 4096
"""Threshold of the published commands where nobody names another."""
HEAVY = 1.0
"""Squared coefficient of variation of the work above which a tail is read as heavy."""
ONE_POOL_RATIO, ONE_POOL_SHARE = 2.0, 0.30
BUSY_RATIO, BUSY_SHARE = 4.0, 0.10
ANY_RATIO, ANY_SHARE = 16.0, 0.05
BUSY_RATE = 100.0
"""Requests per second from which traffic is high, for splits and for phases apart."""
LONG_P99_TOKENS, LONG_CONTEXT_TOKENS = 20_000, 65_536
"""P99 length of the long pool, and largest context, above and from which it takes H100."""
PHASES_SAVING = 0.46
"""What A100 for prefill and H100 for decode are said to save against all A100."""


@dataclass(frozen=True)
class Rule:
    """A published rule. says: in our words. reading: what its words are taken to mean."""

    says: str
    reading: str


RULES: Mapping[str, Rule] = MappingProxyType({
    "heavy tail": Rule(
        "Split if service times are heavy-tailed: no number of GPUs in one pool keeps the SLO.",
        "No figure is published. Heavy: the squared coefficient of variation of the iterations "
        "that a request needs is above 1, that of exponential work.",
    ),
    "ratio and share": Rule(
        "With R = largest context over threshold and f = share of longer requests: one pool if "
        "R <= 2 or f > 30 %; split if R >= 16 and f < 5 %, or at 100 requests per second or more "
        "if R >= 4 and f < 10 %.",
        "The threshold is --b-short, else the published 4096. Elsewhere the rule says nothing.",
    ),
    "default threshold": Rule(
        "Where to split does not follow from the lengths; `pareto` finds it.",
        "Who does not ask gets the published default, 4096 tokens.",
    ),
    "cheap GPU in two pools": Rule(
        "A10G in two pools can be cheaper than H100 in one.",
        "Both at their best by the table: A10G split at any point, H100 unsplit.",
    ),
    "mix": Rule(
        "Mix: a cheap GPU for short requests, for long ones one that suits their context.",
        "The GPU with the lowest price for the short pool; for the long one, of the dearer, the "
        "one that is cheapest there. It is right if some mix is cheaper than every single type.",
    ),
    "H100 for long contexts": Rule(
        "Above a P99 of about 20,000 tokens A100 misses the SLO; fleets of 65,536 tokens take "
        "H100.",
        "The P99 length of the requests of the plan's last pool, or the largest context.",
    ),
    "phases apart": Rule(
        "At 100 requests per second and more, prefill on A100 and decode on H100 save about "
        "46 % against A100 alone; below they are not worth it.",
        "For all lengths, at the largest context. Counted with the prompt's KV in decode, and "
        "both phases held to the utilization that pools are held to.",
    ),
    "simulate heavy tails": Rule(
        "Simulate agents and other heavy tails, where the formulas call fleets feasible that "
        "are not.",
        "Heavy as above; for other traffic the formulas are taken to do.",
    ),
    "n / A": Rule(
        "Buy n / A replicas, rounded up, at an availability of A.",
        "Enough are up on average; the measure is the share of the time that they are.",
    ),
})  # fmt: skip


@dataclass(frozen=True)
class Ruling:
    """One rule on one workload.

    advises: what it says here; empty where it is silent. outcome: against what was found.
    why: the figures that decide. followed: the fleet that it would have bought.
    """

    rule: str
    advises: str
    outcome: Outcome
    why: str
    followed: Side | None = None


@dataclass(frozen=True)
class Traits:
    """What the rules look at.

    threshold: B_short, in tokens. ratio: R. share: f. work_cv2: of iterations per request.
    """

    threshold: int
    max_context: int
    ratio: float
    share: float
    work_cv2: float

    @classmethod
    def of(cls, case: Case, threshold: int) -> Traits:
        """Of the requests of a case; chunks are those of its first profile."""
        lengths, context = case.lengths, case.breakpoints[-1]
        chunk = case.profiles[0].iteration.chunk_tokens
        work = -(-lengths.prompt_tokens // chunk) + lengths.output_tokens
        mean = lengths.mean(work)
        cv2 = lengths.mean(np.square(work.astype(float))) / mean**2 - 1.0
        return cls(threshold, context, context / threshold, lengths.share(threshold, context), cv2)

    @property
    def is_heavy(self) -> bool:
        """Whether the tail is heavy, as read."""
        return self.work_cv2 > HEAVY

    def ratio_advises(self, rate: float) -> str:
        """What R and f say: 'split', 'one pool', or nothing."""
        return next(self._ratio_advice(rate), "")

    def _ratio_advice(self, rate: float) -> Iterator[str]:
        if self.ratio <= ONE_POOL_RATIO or self.share > ONE_POOL_SHARE:
            yield "one pool"
        if self.ratio >= ANY_RATIO and self.share < ANY_SHARE:
            yield "split"
        if self.ratio >= BUSY_RATIO and self.share < BUSY_SHARE and rate >= BUSY_RATE:
            yield "split"

    @property
    def words(self) -> str:
        """R and f in words."""
        return (
            f"R = {self.max_context:,} / {self.threshold:,} = {self.ratio:.3g}, "
            f"f = {100 * self.share:.3g} %"
        )


def p99_tokens(case: Case, lo_tokens: int, hi_tokens: int) -> int:
    """P99 total length of the requests in (lo, hi], in tokens."""
    part = case.lengths.within(lo_tokens, hi_tokens)
    at = np.searchsorted(part.cumulative[1:], 0.99 - 1e-12)
    return int(part.total_tokens[at])
