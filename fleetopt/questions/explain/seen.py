"""One run, request by request: who missed which bound, and where the time went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetopt.problem import LatencyBound
from fleetopt.questions.explain.causes import LEADING, PARTS, Cause
from fleetopt.simulation.fleet import FleetOutcome
from fleetopt.simulation.fleet_records import Status, Stop
from fleetopt.simulation.fleet_run import latencies_s
from fleetopt.simulation.records import Floats, Ints

_MISFITS = (Status.TOO_LONG, Status.NO_POOL, Status.TRUNCATED)
_COUNTED = {
    "ttft": (Cause.WAIT, Cause.PREFILL, Cause.INTERFERENCE),
    "tpot": (Cause.DECODE, Cause.INTERFERENCE),
    "e2e": PARTS,
}
"""The parts of each latency."""


@dataclass(frozen=True, eq=False)
class Seen:
    """The measured requests of a run.

    index: which requests of the traffic they are. pool: where they were sent; -1 if nowhere.
    latency_s: by metric; infinite where a request was turned away, cut off or not finished.
    """

    index: Ints
    pool: Ints
    latency_s: dict[str, Floats]

    @property
    def size(self) -> int:
        """How many requests were measured."""
        return self.index.size

    def missed(self, bound: LatencyBound) -> np.ndarray:
        """Which requests are beyond a bound."""
        return np.asarray(self.latency_s[bound.metric] > bound.limit_s)


@dataclass(frozen=True, eq=False)
class Accounts(Seen):
    """A run with the time of each request split into its parts.

    prompt_tokens, output_tokens: as served. residence_s: from admission to the end; 0 if none.
    misfit: requests that do not fit the context window of their pool, or any.
    phases_s: by metric and part; a TPOT has the parts of one output token.
    """

    prompt_tokens: Ints
    output_tokens: Ints
    residence_s: Floats
    misfit: np.ndarray
    phases_s: dict[str, dict[Cause, Floats]]

    @property
    def total_tokens(self) -> Ints:
        """Prompt and output tokens together."""
        return self.prompt_tokens + self.output_tokens

    def without(self, cause: Cause, metric: str, limit_s: float) -> Floats:
        """The latency with one part taken away; what was never served is then served alone.

        The decode of the output is taken from requests that are beyond the limit even alone.
        Parts that a metric does not have take nothing away.
        """
        latency, phases = self.latency_s[metric], self.phases_s[metric]
        if cause is Cause.WINDOW:
            return np.where(self.misfit, self.alone(metric), latency)
        if cause not in phases:
            return latency
        left = latency - phases[cause]
        if cause is Cause.DECODE:
            left = np.where(self.alone(metric) > limit_s, left, latency)
        if cause is Cause.WAIT:
            left = np.where(np.isinf(latency) & ~self.misfit, self.alone(metric), left)
        return np.asarray(left)

    def alone(self, metric: str) -> Floats:
        """The latency of each request on an empty replica."""
        phases = self.phases_s[metric]
        own = [phases[cause] for cause in (Cause.PREFILL, Cause.DECODE) if cause in phases]
        return np.asarray(np.sum(own, axis=0))

    def leading(self, metric: str) -> Ints:
        """What took most of each request's time: its place in LEADING.

        A request that was never served has waited, unless it does not fit its pool.
        """
        phases = self.phases_s[metric]
        times = np.array([phases.get(cause, np.zeros(self.size)) for cause in PARTS])
        served = np.where(np.isinf(self.latency_s[metric]), 0, times.argmax(axis=0))
        return np.where(self.misfit, LEADING.index(Cause.WINDOW), served)


def seen(outcome: FleetOutcome) -> Seen:
    """The measured requests of a run."""
    return Seen(*_columns(outcome, _measured(outcome)))


def accounts(outcome: FleetOutcome) -> Accounts:
    """The measured requests of a run, and where their time went.

    Alone on its replica a request of total length L runs iterations of tau = W + h L. Its wait
    is what exceeds one of its iterations, since a free slot is taken at the end of the running
    one; what is left beyond the wait and its own iterations is due to the rest of the batch.
    What its client waits for a first token outside of the replica counts as prefill.
    """
    at = _measured(outcome)
    index, pool, latency_s = _columns(outcome, at)
    prompt = outcome.routing.prompt_tokens
    prompts = (outcome.traffic.prompt_tokens if prompt is None else prompt)[at]
    outputs = outcome.traffic.output_tokens[at]
    admitted, first, end = (
        outcome.column(name)[at] for name in ("admitted_s", "prefill_end_s", "end_s")
    )
    status = outcome.column("status")[at]
    return Accounts(
        index,
        pool,
        latency_s,
        prompts,
        outputs,
        np.nan_to_num(end - admitted),
        np.isin(status, _MISFITS),
        _phases(outcome, pool, prompts, outputs, (outcome.arrival_s[at], admitted, first, end)),
    )


def _phases(
    outcome: FleetOutcome,
    pool: Ints,
    prompts: Ints,
    outputs: Ints,
    times_s: tuple[Floats, Floats, Floats, Floats],
) -> dict[str, dict[Cause, Floats]]:
    """By metric, the parts of each request's latency, in seconds; 0 where it has none."""
    arrival, admitted, first, end = times_s
    alone_s, outside_s, chunks = np.zeros(pool.size), np.zeros(pool.size), np.ones(pool.size)
    for p, spec in enumerate(outcome.fleet.pools):
        mine, time = pool == p, spec.iteration
        alone_s[mine] = time.base_s + time.per_context_token_s * (prompts + outputs)[mine]
        alone_s[mine] = np.maximum(alone_s[mine], time.prefill_base_s)
        chunks[mine] = -(-prompts[mine] // time.chunk_tokens)
        outside_s[mine] = time.first_token_s
    own_step_s = np.nan_to_num((first - admitted) / chunks)
    wait = np.maximum(0.0, np.nan_to_num(admitted - arrival) - own_step_s)
    prefill, decode = chunks * alone_s + outside_s, outputs * alone_s
    token = np.nan_to_num((end - first) / outputs)
    to_first, whole = (np.nan_to_num(at - arrival + outside_s) for at in (first, end))
    parts = {
        "ttft": {Cause.WAIT: wait, Cause.PREFILL: prefill},
        "tpot": {Cause.DECODE: alone_s},
        "e2e": {Cause.WAIT: wait, Cause.PREFILL: prefill, Cause.DECODE: decode},
    }
    for metric, total in (("ttft", to_first), ("tpot", token), ("e2e", whole)):
        others = np.sum(list(parts[metric].values()), axis=0)
        parts[metric][Cause.INTERFERENCE] = np.maximum(0.0, total - others)
    return parts


def _columns(outcome: FleetOutcome, at: Ints) -> tuple[Ints, Ints, dict[str, Floats]]:
    """Indices, pools and latencies of the requests at these places."""
    whole = outcome.column("status")[at] == Status.COMPLETED
    latencies = latencies_s(outcome)
    found = {m: np.where(whole, latencies[m][at], np.inf) for m in _COUNTED}
    return at, outcome.column("pool")[at], found


def _measured(outcome: FleetOutcome) -> Ints:
    """Places of the measured requests.

    Where a run was stopped because a backlog diverged, those under way in pools without waiting
    requests have no fault of their own and are left out.
    """
    arrival_s, window = outcome.arrival_s, outcome.window
    measured = (arrival_s >= window.warmup_s) & (arrival_s < window.measure_end_s)
    if outcome.trajectory.stop == Stop.DIVERGED:
        open_ = outcome.column("status") == Status.UNFINISHED
        measured &= ~(open_ & ~np.isnan(outcome.column("admitted_s")))
    return np.flatnonzero(measured)
