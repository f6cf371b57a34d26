"""What a latency bound can be missed by: the words of the answer."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a request misses its bound.

    WAIT, PREFILL, INTERFERENCE and DECODE are parts of its time. INSTABILITY, BURST, ADMISSION,
    OUTAGE and LONG are reasons of a wait. WINDOW is a context window that it does not fit.
    """

    WAIT = "queue wait"
    PREFILL = "prefill of long prompts"
    INTERFERENCE = "decode interference"
    DECODE = "decode of long outputs"
    INSTABILITY = "instability"
    BURST = "burst"
    ADMISSION = "KV admission"
    OUTAGE = "outage"
    LONG = "long requests"
    WINDOW = "context window"


PARTS = (Cause.WAIT, Cause.PREFILL, Cause.INTERFERENCE, Cause.DECODE)
"""Parts of a request's time."""

LEADING = (*PARTS, Cause.WINDOW)
"""What a single request can have missed by."""

REASONS = (Cause.INSTABILITY, Cause.OUTAGE, Cause.BURST, Cause.ADMISSION, Cause.LONG)
"""Why requests wait, apart from chance at a load that the fleet carries."""

CHANGES = {
    Cause.WAIT: "every request admitted on arrival",
    Cause.PREFILL: "prompts prefilled in one iteration",
    Cause.INTERFERENCE: "iterations as with one sequence",
    Cause.DECODE: "no decode if too slow even alone",
    Cause.INSTABILITY: "replicas for a utilization of 85 %",
    Cause.BURST: "arrivals at Poisson times",
    Cause.ADMISSION: "KV without limit",
    Cause.OUTAGE: "no failures",
    Cause.LONG: "the longest 1 % left out",
    Cause.WINDOW: "every request fits its pool",
}
"""What is changed to remove each cause."""
