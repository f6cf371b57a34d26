"""Which rows the simulator calls saturated."""

from __future__ import annotations

from fleetopt.questions.validation.cases import Case
from fleetopt.questions.validation.ladders import CLIFF_LEAST_S
from fleetopt.questions.validation.loop import Played

WAITING = 0.05
"""Share of a request's time that it waits for a slot or for KV."""
NEAR = 0.85
"""Share of the least KV above which a row is flagged: with it 8 % of the unsaturated rows are, and
6 % to 8 % where it is chosen without the group, engine, GPU or model of a row."""


def is_flagged(case: Case, run: Played, ttft_s: float) -> bool:
    """Whether clients wait, might wait if the engine has less memory, or see a TTFT of a cliff.

    ttft_s: predicted, as clients see it.
    """
    e2e_s = run.ttft_s + case.measured.output_tokens * run.tpot_s
    waits = run.wait_s > WAITING * e2e_s
    return waits or case.fullness > NEAR or ttft_s > CLIFF_LEAST_S
