"""Which rows the simulator calls saturated."""

from __future__ import annotations

from fleetopt.questions.validation.cases import Case
from fleetopt.questions.validation.ladders import LONG_S as SURELY_LONG_S
from fleetopt.questions.validation.loop import Played

WAITING = 0.05
"""Share of a request's time that it waits for a slot or for KV."""
LONG_S = SURELY_LONG_S / 4
"""Seconds of predicted TTFT that may be a saturated one: of the unsaturated rows that are predicted
above 1 s, 99 of 100 take less than four times their prediction."""
NEAR = 0.9
"""Share of the least KV above which a row is flagged: with it 8 % of the unsaturated rows are."""


def is_flagged(case: Case, run: Played, ttft_s: float) -> bool:
    """Whether clients wait, might wait if the engine has less memory, or see a long TTFT.

    ttft_s: predicted, as clients see it.
    """
    e2e_s = run.ttft_s + case.measured.output_tokens * run.tpot_s
    return run.wait_s > WAITING * e2e_s or case.fullness > NEAR or ttft_s > LONG_S
