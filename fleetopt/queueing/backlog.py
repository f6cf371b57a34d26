"""The prompts that wait inside a replica's batch: a Markov chain from iteration to iteration.

An iteration that begins with a backlog of Q prompt tokens takes P = min(Q, b) of them, b what the
decodes leave of the token budget, and lasts tau(Q) = max(D, F0 + F1 P), D = W + h C the time of
the decodes. The next begins with Q - P and the prompts that arrived meanwhile, as many as

    A ~ Poisson(r (alpha tau(Q) + (1 - alpha) E[tau])),

r the arrival rate of a replica. Alone, alpha = 1: arrivals go on while an iteration lasts. In a
pool, requests join the replica with the fewest sequences, and a long iteration frees no places:
what arrives makes up for what left before, and alpha falls towards 1 / N.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.blas import one_blas_thread
from fleetopt.queueing.prefilling import Prefilling
from fleetopt.queueing.span import STATES, span, stationary
from fleetopt.workload.lengths import Floats

_SPREAD = 6.0
"""Standard deviations of an iteration's prompts that the chain spans."""
_EVEN = 2e-4
"""Relative distance at which the mean iteration time agrees with the arrivals it brings."""
_ROUNDS = 10
_LAST = 1e-5
"""Most probability of the chain's last state, and how far it is widened to get there."""
_WIDER, _WIDENINGS = 1.6, 8
_FULLEST = 0.995
"""Largest share of the token budget for which the chain is solved."""


@dataclass(frozen=True, eq=False)
class Backlog:
    """The chain at one number of active sequences, in its steady state.

    tokens: the backlogs Q at the start of an iteration; probabilities: of each, by iteration.
    seconds: tau(Q). moves: probabilities of the next backlog (columns).
    alpha: share of the arrivals that grows with the iteration they fall into.
    """

    prefilling: Prefilling
    active: float
    tokens: Floats
    seconds: Floats
    probabilities: Floats
    moves: Floats
    alpha: float

    @cached_property
    def mean_s(self) -> float:
        """Mean iteration time."""
        return float(self.probabilities @ self.seconds)

    @property
    def decode_share(self) -> float:
        """Share of the iterations that take as long as their decodes."""
        return float(self.probabilities @ (self.seconds <= self.seconds[0]))

    @cached_property
    def prefill_s(self) -> Floats:
        """Seconds to the end of prefill, by cell (rows) and the backlog (columns).

        The backlog is what arrived before, or beside. All but the last of the iterations are full.
        """
        prefilling = self.prefilling
        budget, decode_s = prefilling.budget(self.active), float(self.seconds[0])
        if math.isinf(budget):
            each_s: Floats = prefilling.seconds(decode_s, self._ahead / self._own)
            return self._own * each_s
        shared = self._shared(budget)
        full_s = prefilling.seconds(decode_s, np.array([budget]))[0]
        last_s = prefilling.seconds(decode_s, self._ahead - (shared - 1.0) * budget)
        seconds: Floats = (shared - 1.0) * full_s + last_s
        if prefilling.time.chunk_tokens < budget:
            alone = prefilling.seconds(decode_s, np.array([prefilling.time.chunk_tokens]))
            seconds += np.maximum(self._own - shared, 0.0) * alone[0]
        return seconds

    def prefill_iterations(self) -> Floats:
        """Iterations to the end of prefill, by cell (rows) and the backlog (columns)."""
        budget = self.prefilling.budget(self.active)
        if math.isinf(budget):
            return np.broadcast_to(self._own, self._ahead.shape)
        return np.maximum(self._shared(budget), self._own)

    @property
    def _ahead(self) -> Floats:
        """Tokens up to the end of a prompt."""
        return self.tokens[None, :] + self.prefilling.prompts[:, None]

    @property
    def _own(self) -> Floats:
        """Chunks of a prompt."""
        return np.ceil(self.prefilling.prompts / self.prefilling.time.chunk_tokens)[:, None]

    def _shared(self, budget: float) -> Floats:
        """Budgets that a prompt and what is ahead of it fill."""
        return np.maximum(1.0, np.ceil(self._ahead / budget - 1e-9))

    def found(self) -> tuple[Floats, Floats]:
        """Arrivals by the iteration they fall into: spread over it, and soon after its start."""
        spread = self.alpha * self.probabilities * self.seconds
        soon = (1.0 - self.alpha) * self.mean_s * self.probabilities
        whole = float(spread.sum() + soon.sum())
        return spread / whole, soon / whole

    def delay_s(self, rate: float, replicas: int) -> float:
        """Mean time until the arrivals of the pool reach a replica that lost sequences."""
        per_iteration = rate * self.mean_s / replicas
        return (1.0 + 0.5 * per_iteration) / rate

    def residual_s(self, rate: float, replicas: int) -> float:
        """Mean rest of the iteration that an arrival finds."""
        spread, soon = self.found()
        delay = self.delay_s(rate, replicas)
        left = self.seconds - delay * -np.expm1(-self.seconds / delay)
        return float(spread @ self.seconds / 2.0 + soon @ left)

    def arrival_s(self, rate: float, replicas: int) -> Floats:
        """Mean time from arrival to the end of prefill, without a wait for a slot, by cell."""
        spread, soon = self.found()
        mean_s: Floats = self.prefill_s @ ((spread + soon) @ self.moves)
        return self.residual_s(rate, replicas) + mean_s

    def residence_s(self, rate: float, replicas: int) -> float:
        """The same over all cells."""
        return float(self.prefilling.weights @ self.arrival_s(rate, replicas))


def backlog(
    prefilling: Prefilling, active: float, rate: float, replicas: int, near: Backlog | None = None
) -> Backlog:
    """The chain of one replica in a pool with `rate` arrivals per second in all.

    The prompts must fit: fewer per second than the budget takes. near: the chain of the same
    pool at another number of sequences, to begin from.
    """
    own_rate = rate / replicas
    guess = _mean_field_s(prefilling, active, own_rate)
    alpha = _alpha(own_rate * guess, replicas)

    largest = _largest(prefilling, active, own_rate * guess)

    def solved(mean_s: float) -> Backlog:
        nonlocal largest

        def arrivals(seconds: Floats) -> Floats:
            return own_rate * (alpha * seconds + (1.0 - alpha) * mean_s)

        chain = _solve(prefilling, active, arrivals, largest, alpha)
        largest = max(largest, float(chain.tokens[-1]))
        return chain

    with one_blas_thread():
        if replicas == 1:
            return solved(guess)
        if near is not None:
            guess *= near.mean_s / _mean_field_s(prefilling, near.active, own_rate)
        return _even(solved, guess)


def saturated(prefilling: Prefilling, slots: int) -> float:
    """Requests per second of one replica whose slots are always busy.

    Then an arrival takes the place of every departure: a for each iteration whatever its
    length, where slots = a (E[output] + time in prefill / E[tau]).
    """
    budget = prefilling.budget(slots)
    high = min(slots / prefilling.mean_output, _FULLEST * budget / prefilling.mean_prompt)
    low, per_iteration = 0.0, slots / (prefilling.mean_output + 1.5)
    for _ in range(_ROUNDS):
        per_iteration = min(max(per_iteration, low), high)
        with one_blas_thread():
            chain = _constant(prefilling, slots, per_iteration)
        place = prefilling.mean_output + _in_prefill(chain)
        wanted = slots / place
        if abs(wanted - per_iteration) < _EVEN * per_iteration:
            break
        if wanted < per_iteration:
            high = per_iteration
        else:
            low = per_iteration
        per_iteration = wanted if low < wanted < high else 0.5 * (low + high)
    return min(per_iteration / chain.mean_s, _prompt_rate(prefilling, slots))


def _prompt_rate(prefilling: Prefilling, active: float) -> float:
    """Requests per second whose prompts a full budget takes, iteration after iteration."""
    budget = prefilling.budget(active)
    if math.isinf(budget):
        return math.inf
    full_s = prefilling.seconds(prefilling.decode_s(active), np.array([budget]))[0]
    return float(budget / (full_s * prefilling.mean_prompt))


def _constant(prefilling: Prefilling, active: float, per_iteration: float) -> Backlog:
    """The chain where every iteration brings as many requests on average."""

    def arrivals(seconds: Floats) -> Floats:
        return np.full(seconds.size, per_iteration)

    largest = _largest(prefilling, active, per_iteration)
    return _solve(prefilling, active, arrivals, largest, 0.0)


def _in_prefill(chain: Backlog) -> float:
    """Iterations that a request of a full batch prefills, on average."""
    at_next = chain.probabilities @ chain.moves
    return float(chain.prefilling.weights @ (chain.prefill_iterations() @ at_next))


def _alpha(per_iteration: float, replicas: int) -> float:
    """How far a long iteration brings more arrivals.

    1 / N of them whatever the routing: a replica takes its part of what the pool gains
    meanwhile. What is left above that is chance in which replica is the emptiest; it fades
    where every iteration sees departures. The form was found by simulation.
    """
    if replicas == 1:
        return 1.0
    fades = -math.expm1(-3.0 * per_iteration) / (3.0 * per_iteration) if per_iteration else 1.0
    even = 1.0 / replicas
    return even + (math.sqrt(even) - even) * fades


def _mean_field_s(prefilling: Prefilling, active: float, rate: float) -> float:
    """Iteration time if every iteration had its mean prompts."""
    time = prefilling.time
    load = min(rate * prefilling.mean_prompt * time.prefill_per_token_s, 0.95)
    return max(prefilling.decode_s(active), time.prefill_base_s / (1.0 - load))


def _even(solved: Callable[[float], Backlog], guess: float) -> Backlog:
    """The chain whose mean iteration time is the one its arrivals were taken from (secant)."""
    before, chain = guess, solved(guess)
    was = now = chain.mean_s
    if abs(now - before) < _EVEN * before:
        return chain
    for _ in range(_ROUNDS):
        chain = solved(now)
        if abs(chain.mean_s - now) < _EVEN * now:
            break
        slope = (chain.mean_s - was) / (now - before) if now != before else 0.0
        before, was = now, chain.mean_s
        now += (chain.mean_s - now) / (1.0 - min(max(slope, -1.0), 0.98))
    return chain


def _solve(
    prefilling: Prefilling,
    active: float,
    arrivals: Callable[[Floats], Floats],
    largest: float,
    alpha: float,
) -> Backlog:
    """The steady state of the chain; arrivals: expected requests by iteration time.

    The chain spans more tokens until its last state is all but empty.
    """
    for _ in range(_WIDENINGS):
        chain = _spanning(prefilling, active, arrivals, largest, alpha)
        if chain.probabilities[-1] < _LAST:
            break
        largest = _WIDER * float(chain.tokens[-1])
    return chain


def _spanning(
    prefilling: Prefilling,
    active: float,
    arrivals: Callable[[Floats], Floats],
    largest: float,
    alpha: float,
) -> Backlog:
    """The chain of backlogs up to `largest` tokens."""
    grid = span(prefilling, active, largest)
    moves = grid.moves(arrivals(grid.seconds))
    return Backlog(prefilling, active, grid.tokens, grid.seconds, stationary(moves), moves, alpha)


def _largest(prefilling: Prefilling, active: float, per_iteration: float) -> float:
    """Largest backlog of the chain, in tokens."""
    budget = prefilling.budget(active)
    square = per_iteration * float(prefilling.piece_weights @ prefilling.pieces**2)
    largest = per_iteration * prefilling.mean_prompt + _SPREAD * math.sqrt(square)
    largest += float(prefilling.pieces.max())
    share = min(per_iteration * prefilling.mean_prompt / budget, _FULLEST)
    if not math.isinf(budget):
        largest += 2.0 * min(1.0, 3.0 * share) * square / (budget * (1.0 - share))
    return max(largest, float(STATES))
