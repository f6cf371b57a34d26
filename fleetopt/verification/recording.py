"""A trace as the pools of a fleet meet it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fleetopt.case import MOST_OVERLONG, Case
from fleetopt.errors import InputError
from fleetopt.plan import RecordedTraffic
from fleetopt.simulation.records import Requests
from fleetopt.verification.blocks import least_requests
from fleetopt.workload.compression import Served
from fleetopt.workload.traces import Trace


@dataclass(frozen=True, eq=False)
class Recording:
    """The requests that a fleet serves, with their own times.

    requests: those beyond the largest context are clipped to it or left out.
    what: the trace that they come from, and what was done to it.
    """

    requests: Requests
    what: RecordedTraffic

    @classmethod
    def of(cls, case: Case, trace: Trace) -> Recording:
        """A trace on the fleets of a case.

        Raises InputError if it has no times, too few requests to show the SLO's percentiles,
        or too many that are longer than the largest context.
        """
        if not trace.duration_s > 0:
            text = "it states no arrival times, so nothing can be verified on it"
            raise InputError.single(trace.name, text)
        source = trace.files[0].source
        what = RecordedTraffic(str(source.path), source.sha256, len(trace), trace.duration_s)
        requests = Requests(trace.arrival_s, trace.prompt_tokens, trace.output_tokens)
        recording = _within(cls(requests, what), case, trace.name)
        percentiles = [bound.percentile for bound in case.problem.slo]
        least, count = least_requests(percentiles), recording.requests.arrival_s.size
        if count < least:
            raise InputError.single(
                trace.name,
                f"it has {count:,} requests; to show P{max(percentiles):g} takes {least:,}",
                "record for longer, or state a lower percentile",
            )
        return recording

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last arrival of the trace."""
        return self.what.duration_s

    def of_pool(self, served: Served, draws: np.ndarray) -> Requests:
        """The requests of a pool, compressed ones with what is left of them.

        draws: uniform numbers, one for each request; below the compressible share it is cut.
        """
        total = self._total
        cut = draws < served.compressible_share
        own = (total > served.lo_tokens) & (total <= served.hi_tokens)
        own &= ~(cut & self._fits(served.lo_tokens) & (total <= served.gives_up_to))
        taken = cut & (total > served.hi_tokens) & (total <= served.takes_up_to)
        taken &= self._fits(served.hi_tokens)
        rest = served.hi_tokens - self.requests.output_tokens
        here = own | taken
        return Requests(
            self.requests.arrival_s[here],
            np.where(taken, rest, self.requests.prompt_tokens)[here],
            self.requests.output_tokens[here],
        )

    def _fits(self, to_tokens: int) -> np.ndarray:
        """Whose output leaves room for a token of the prompt."""
        return np.asarray(self.requests.output_tokens < to_tokens)

    @cached_property
    def _total(self) -> np.ndarray:
        return self.requests.prompt_tokens + self.requests.output_tokens


def _within(recording: Recording, case: Case, name: str) -> Recording:
    """The requests up to the largest context, the others as the problem says."""
    requests, most = recording.requests, case.breakpoints[-1]
    total = requests.prompt_tokens + requests.output_tokens
    beyond = total > most
    count = int(beyond.sum())
    if not count:
        return recording
    rule = case.problem.overlong
    if rule is None and count > MOST_OVERLONG * total.size:
        raise InputError.single(
            name,
            f"{count:,} of its {total.size:,} requests are longer than the fleet's largest "
            f"context, {most:,} tokens",
            "design for this trace, or say overlong = 'clip' or 'reject'",
        )
    if rule == "reject":
        kept = Requests(
            requests.arrival_s[~beyond],
            requests.prompt_tokens[~beyond],
            requests.output_tokens[~beyond],
        )
        return Recording(kept, replace(recording.what, rejected=count))
    prompt = np.clip(np.floor(requests.prompt_tokens / total * most + 0.5), 1, most - 1)
    prompt = np.where(beyond, prompt, requests.prompt_tokens).astype(np.int64)
    output = np.where(beyond, most - prompt, requests.output_tokens)
    kept = Requests(requests.arrival_s, prompt, output)
    return Recording(kept, replace(recording.what, clipped=count))
