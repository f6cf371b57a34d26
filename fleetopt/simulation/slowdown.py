"""Latencies of requests as multiples of what each of them would take by itself.

Source: P. Patel et al., Splitwise, ISCA 2024 (arXiv:2311.18677), section V: the SLOs are slowdowns
against the same request on a machine without any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.simulation.fleet import FleetOutcome
from fleetopt.simulation.fleet_run import counted
from fleetopt.simulation.records import Floats, Ints

SLOWED = ("ttft", "tbt", "e2e")


@dataclass(frozen=True, eq=False)
class Alone:
    """What each request of some traffic takes on an idle replica, in seconds; all above 0.

    prefill_s: to its first token. token_s: of each further token, on average.
    """

    prefill_s: Floats
    token_s: Floats

    @classmethod
    def on(cls, time: IterationTime, prompt_tokens: Ints, output_tokens: Ints) -> Alone:
        """On a replica with these coefficients.

        A prompt of p tokens takes ceil(p / chunk) iterations, each its own max(W + h C, F0 + F1 P)
        with half of the prompt held on average; a token with half of the output held. With the
        context "total" the whole is held from admission on.
        """
        prompt, output = prompt_tokens.astype(np.float64), output_tokens.astype(np.float64)
        chunk = float(min(time.chunk_tokens, time.token_budget or time.chunk_tokens))
        full = np.ceil(prompt / chunk) - 1.0
        total = time.context == "total"
        held = prompt + (output if total else output / 2.0)
        context_s = time.base_s + time.per_context_token_s * (held if total else prompt / 2.0)
        parts = [
            np.maximum(context_s, time.prefill_base_s + time.prefill_per_token_s * tokens)
            for tokens in (chunk, prompt - full * chunk)
        ]
        token_s = time.base_s + time.per_context_token_s * held
        return cls(full * parts[0] + parts[1], token_s)


def slowdowns(outcome: FleetOutcome, alone: Alone) -> dict[str, Floats]:
    """TTFT, time between tokens and E2E of the measured requests over their own time alone.

    TTFT ends with the prefill, where the first token is made: the transfer of KV and the wait for
    a slot of the decode pool are between tokens. Requests that did not end are infinitely slow.
    """
    measured = counted(outcome)
    output = outcome.traffic.output_tokens
    first_s, end_s = outcome.column("prefill_end_s"), outcome.column("end_s")
    arrival_s = outcome.arrival_s
    took_s = {
        "ttft": first_s - arrival_s,
        "tbt": (end_s - first_s) / outcome.column("served_tokens"),
        "e2e": end_s - arrival_s,
    }
    alone_s = {
        "ttft": alone.prefill_s,
        "tbt": alone.token_s,
        "e2e": alone.prefill_s + alone.token_s * output,
    }
    ended = ~np.isnan(end_s)
    return {
        metric: np.where(ended, took_s[metric] / alone_s[metric], np.inf)[measured]
        for metric in SLOWED
    }
