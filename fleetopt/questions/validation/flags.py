"""Which rows the simulator calls saturated."""

from __future__ import annotations

from fleetopt.questions.validation.cases import Case
from fleetopt.questions.validation.loop import Played

WAITING = 0.05
"""Share of a request's time that it waits for a slot or for KV."""
FULL = 0.8
"""Share of the KV that a replica surely has, if all clients are served at once."""
SLOW_S = 4.0
"""Seconds of predicted TTFT. A measured one above 10 s is saturated, and a quarter of the
unsaturated ones above 1 s is predicted at less than 0.4 of its length."""


def is_flagged(case: Case, run: Played, ttft_s: float) -> bool:
    """Whether clients wait, might wait if the engine has less memory, or see a long TTFT.

    ttft_s: predicted, as clients see it.
    """
    e2e_s = run.ttft_s + case.measured.output_tokens * run.tpot_s
    return run.wait_s > WAITING * e2e_s or case.fullness > FULL or ttft_s > SLOW_S
