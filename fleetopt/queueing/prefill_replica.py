"""TTFT of one replica that only prefills, by the way it takes its prompts.

Whole prompts: all that wait are prefilled in the next iteration, up to the slots and, with the
compute of their tokens, F0 + F1 P. Chunks: every prompt of the batch advances by a chunk in an
iteration, whose time grows with what they hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.batch_server import batches
from fleetopt.queueing.chunk_server import ChunkServer
from fleetopt.queueing.kv_link import KvLink
from fleetopt.queueing.latency import Metric
from fleetopt.queueing.shortest_queue import shortest_queue_rates
from fleetopt.workload.lengths import Floats

_GRID = 1024
_STEPS = 20.0
"""Grid points in the mean service time of a prompt."""


@dataclass(frozen=True, eq=False)
class LateCurve:
    """P(TTFT > t) at the points of a grid."""

    step_s: float
    late: Floats

    @classmethod
    def of(cls, mass: Floats, step_s: float) -> LateCurve:
        """From the probabilities of grid points."""
        late = 1.0 - np.cumsum(mass) / mass.sum()
        return cls(step_s, np.maximum.accumulate(late[::-1])[::-1])

    def exceedance(self, metric: Metric, limit_s: float) -> float:
        """P(TTFT > limit)."""
        place = limit_s / self.step_s
        return float(np.interp(place, np.arange(self.late.size), self.late, left=1.0, right=0.0))

    def percentile_s(self, metric: Metric, percentile: float) -> float:
        """The percentile of TTFT, in seconds."""
        allowed = 1.0 - percentile / 100.0
        after = int(np.argmax(self.late <= allowed))
        before = max(after - 1, 0)
        fall = float(self.late[before] - self.late[after])
        part = (float(self.late[before]) - allowed) / fall if fall > 0.0 else 1.0
        return self.step_s * (before + part)


@dataclass(frozen=True, eq=False)
class Prompts:
    """The prompts of a pool, and what a replica does with them.

    tokens, weights: by cell.
    """

    time: IterationTime
    slots: int
    tokens: Floats
    weights: Floats
    link: KvLink

    @property
    def mean_tokens(self) -> float:
        """Tokens of a prompt."""
        return float(self.weights @ self.tokens)

    @cached_property
    def transfer_s(self) -> Floats:
        """Seconds of the transfer, by cell."""
        return self.link.seconds(self.tokens)

    @cached_property
    def iterations(self) -> Floats:
        """Iterations of a prompt by itself, by cell."""
        time = self.time
        most = min(time.chunk_tokens, time.token_budget or time.chunk_tokens)
        counts: Floats = np.ceil(self.tokens / most)
        return counts

    @cached_property
    def alone_s(self) -> Floats:
        """Seconds of the prefill on an idle replica, by cell."""
        time, tokens = self.time, self.tokens
        most = min(time.chunk_tokens, time.token_budget or time.chunk_tokens)
        full, held = self.iterations - 1.0, tokens if time.context == "total" else tokens / 2.0
        context_s = time.base_s + time.per_context_token_s * held
        last_s = time.prefill_base_s + time.prefill_per_token_s * (tokens - full * most)
        full_s = time.prefill_base_s + time.prefill_per_token_s * most
        seconds: Floats = full * np.maximum(context_s, full_s) + np.maximum(context_s, last_s)
        return seconds


class PrefillReplica(Protocol):
    """One replica that only prefills."""

    @property
    def full_rate(self) -> float:
        """Prompts per second with every slot busy."""
        ...

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """The distribution of TTFT; rate: arrivals per second of one of so many replicas."""
        ...


def replica_of(prompts: Prompts) -> PrefillReplica:
    """The kind of replica that suits the profile."""
    if prompts.slots == 1:
        return OneByOne(prompts)
    time = prompts.time
    if time.prefill_per_token_s > 0.0 and time.chunk_tokens >= time.token_budget > 0:
        return Batched(prompts)
    return Chunked(prompts)


@dataclass(frozen=True, eq=False)
class OneByOne:
    """Whole prompts one after the other; each keeps the slot until its KV has left."""

    prompts: Prompts

    @cached_property
    def _seconds(self) -> Floats:
        return self.prompts.alone_s + self.prompts.transfer_s

    @property
    def full_rate(self) -> float:
        """Prompts per second of a replica that is always busy."""
        return 1.0 / float(self.prompts.weights @ self._seconds)

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """Wait, prefill and transfer; rate: arrivals per second of one replica."""
        step_s = 1.0 / (self.full_rate * _STEPS)
        size = _size(self._seconds, step_s, rate / self.full_rate)
        service = on_grid(self._seconds, self.prompts.weights, step_s, size)
        most = _told_apart(replicas, rate / self.full_rate)
        leaving = np.append(0.0, np.full(most, self.full_rate))
        rates = shortest_queue_rates(replicas, rate, leaving)
        found = batches(np.tile(service, (most + 1, 1)), rates, 1, step_s)
        return LateCurve.of(convolved(found.waits.sum(axis=0), service), step_s)


@dataclass(frozen=True, eq=False)
class Batched:
    """All prompts that wait in one iteration, of the time that their tokens take."""

    prompts: Prompts

    @property
    def _compute_s(self) -> Floats:
        return self.prompts.time.prefill_per_token_s * self.prompts.tokens

    @cached_property
    def full_rate(self) -> float:
        """Prompts per second of iterations with every slot or the whole token budget taken."""
        most = min(self.prompts.slots, self.prompts.time.token_budget / self.prompts.mean_tokens)
        return most / self._mean_s(max(most, 1.0))

    @cached_property
    def _taken(self) -> int:
        """Prompts that an iteration takes at most: the slots, or a full budget of mean prompts."""
        prompts = self.prompts
        return max(
            1, min(prompts.slots, math.ceil(prompts.time.token_budget / prompts.mean_tokens))
        )

    def _mean_s(self, number: float) -> float:
        time = self.prompts.time
        compute_s = (
            time.prefill_base_s + number * time.prefill_per_token_s * self.prompts.mean_tokens
        )
        return max(self._floor_s, compute_s)

    @cached_property
    def _floor_s(self) -> float:
        time = self.prompts.time
        return time.base_s + 0.5 * time.per_context_token_s * self.prompts.mean_tokens

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """Rest of an iteration, prefill among others and transfer."""
        prompts, time = self.prompts, self.prompts.time
        alone_s = float(prompts.weights @ prompts.alone_s)
        step_s = alone_s / _STEPS
        most = _told_apart(replicas, rate / self.full_rate)
        compute_s = self._compute_s
        size = _size(prompts.alone_s + prompts.transfer_s, step_s, rate / self.full_rate)
        sums = _sums(on_grid(compute_s, prompts.weights, step_s, size), most)
        places = step_s * np.arange(size)
        base_s = time.prefill_base_s
        kinds = [
            on_grid(np.maximum(self._floor_s, base_s + places), row, step_s, size)
            for row in sums[: self._taken + 1]
        ]
        service = np.stack([kinds[min(n, self._taken)] for n in range(most + 1)])
        service[1 if self._taken > 1 else slice(1, None)] = on_grid(
            prompts.alone_s, prompts.weights, step_s, size
        )
        numbers = [min(n, self._taken) for n in range(most + 1)]
        leaving = np.array([n / self._mean_s(max(n, 1)) for n in numbers])
        rates = shortest_queue_rates(replicas, rate, leaving)
        found = batches(service, rates, self._taken, step_s)
        sent_s = prompts.transfer_s
        own = on_grid(prompts.alone_s + sent_s, prompts.weights, step_s, size)
        total = convolved(found.waits[0], own)
        linear = on_grid(compute_s + sent_s, prompts.weights, step_s, size)
        line = _sums(on_grid(sent_s, prompts.weights, step_s, size), most)
        for others in range(1, found.waits.shape[0]):
            if found.waits[others].sum() > 1e-9:
                among = convolved(linear, sums[others])
                among = on_grid(np.maximum(self._floor_s, base_s + places), among, step_s, size)
                among = convolved(among, line[: others + 1].mean(axis=0))
                total += convolved(found.waits[others], among)
        return LateCurve.of(total, step_s)


@dataclass(frozen=True, eq=False)
class Chunked:
    """A chunk of every prompt of the batch in each iteration."""

    prompts: Prompts

    @cached_property
    def _mean_iterations(self) -> float:
        return float(self.prompts.weights @ self.prompts.iterations)

    @cached_property
    def _context(self) -> tuple[float, float]:
        """Mean and variance of what a prompt of the batch holds, in tokens."""
        held = self.prompts.tokens * (1.0 if self.prompts.time.context == "total" else 0.5)
        shares = self.prompts.weights * self.prompts.iterations / self._mean_iterations
        mean = float(shares @ held)
        return mean, float(shares @ held**2) - mean**2

    def _tau(self, number: Floats) -> Floats:
        time = self.prompts.time
        busy = np.minimum(number, self.prompts.slots)
        tokens = busy * self.prompts.mean_tokens / self._mean_iterations
        if time.token_budget:
            tokens = np.minimum(tokens, time.token_budget)
        compute_s = time.prefill_base_s + time.prefill_per_token_s * tokens
        context_s = time.base_s + time.per_context_token_s * self._context[0] * busy
        seconds: Floats = np.maximum(context_s, compute_s)
        return seconds

    @cached_property
    def full_rate(self) -> float:
        """Prompts per second with every slot busy, by a prompt or by KV that has not left."""
        slots, busy = self.prompts.slots, float(self.prompts.slots)
        for _ in range(_ROUNDS):
            tau_s = float(self._tau(np.array([busy]))[0])
            stay_s = self._mean_iterations * tau_s
            busy = max(1.0, slots * stay_s / (stay_s + self._held_s(tau_s)))
        return busy / stay_s

    def _held_s(self, tau_s: float) -> float:
        """How long a slot is not used after a prefill, on average: whole iterations."""
        sent_s = self.prompts.transfer_s
        return tau_s * float(self.prompts.weights @ np.ceil(sent_s / tau_s))

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """Rest of an iteration, prefill among others, the wait for the line and transfer."""
        prompts = self.prompts
        most = max(_told_apart(replicas, rate / self.full_rate), min(2 * prompts.slots, 40))
        numbers = np.arange(most + 1.0)
        tau = self._tau(np.maximum(numbers, 1.0))
        sent_s = float(prompts.weights @ prompts.transfer_s)
        stay_s = (self._mean_iterations + 0.5) * tau
        leaving = self._leaving(stay_s, sent_s)
        chosen = shortest_queue_rates(replicas, rate, leaving)
        to_prefill, to_line = _stages(chosen, stay_s, sent_s, prompts.slots)
        tau_s = float(np.interp(rate, leaving, tau))
        slots = max(1, round(prompts.slots - rate * self._held_s(tau_s)))
        server = ChunkServer(to_prefill, tau, slots, 1.0 / self._mean_iterations)
        step_s = float(prompts.weights @ prompts.alone_s) / _STEPS
        longest_s = prompts.alone_s * tau[-1] / tau[1] + prompts.transfer_s
        size = _size(longest_s, step_s, rate * max(1.0 / self.full_rate, sent_s))
        total = self._prefilled(server, step_s, size)
        return LateCurve.of(
            convolved(total, self._line(to_line, rate * tau_s, step_s, size)), step_s
        )

    def _leaving(self, stay_s: Floats, sent_s: float) -> Floats:
        """Departures per second with n on the replica: prefill, then a line (mean values)."""
        leaving, waiting = np.zeros(stay_s.size), 0.0
        for n in range(1, stay_s.size):
            busy = min(n, self.prompts.slots)
            line_s = sent_s * (1.0 + waiting)
            leaving[n] = busy / (stay_s[n] + line_s)
            waiting = leaving[n] * line_s
        return leaving

    def _line(self, rates: Floats, together: float, step_s: float, size: int) -> Floats:
        """The wait for the line, on the grid.

        rates: arrivals at the line while k are there. together: prefills that end at once.
        """
        prompts = self.prompts
        sent = on_grid(prompts.transfer_s, prompts.weights, step_s, size)
        found = batches(np.tile(sent, (rates.size, 1)), rates, 1, step_s)
        wave = np.fft.rfft(sent, 2 * size)
        before = np.fft.irfft(np.exp(0.5 * together * (wave - 1.0)), 2 * size)[:size]
        return convolved(found.waits.sum(axis=0), np.maximum(before, 0.0))

    def _prefilled(self, server: ChunkServer, step_s: float, size: int) -> Floats:
        """Rest of an iteration, the wait for a slot, prefill and transfer, on the grid."""
        prompts = self.prompts
        rest_s, ahead, idle = server.arrivals
        means, variances = server.served(int(prompts.iterations.max()))
        wait_mean, wait_variance = server.waited
        v = prompts.iterations.astype(np.int64) - 1
        held = prompts.tokens * (1.0 if prompts.time.context == "total" else 0.5)
        h = prompts.time.per_context_token_s
        own_s = h * (held - self._context[0]) * prompts.iterations + prompts.transfer_s
        shared = prompts.iterations * np.minimum(prompts.iterations, self._mean_iterations)
        mixed = h**2 * self._context[1] * shared
        total = idle * on_grid(prompts.alone_s + prompts.transfer_s, prompts.weights, step_s, size)
        for a in np.flatnonzero(ahead.sum(axis=0) > _SELDOM):
            beside = min(int(a), server.slots - 1)
            sd = np.sqrt(variances[v, a] + wait_variance[a] + mixed * beside)
            mean = means[v, a] + wait_mean[a] + own_s
            mass = np.zeros(size)
            for node, share in _NORMAL:
                seconds = np.maximum(mean + node * sd, prompts.alone_s)
                mass += on_grid(seconds, share * prompts.weights, step_s, size)
            total += convolved(on_grid(rest_s, ahead[:, a], step_s, size), mass)
        return total


def _stages(rates: Floats, stay_s: Floats, sent_s: float, slots: int) -> tuple[Floats, Floats]:
    """Arrivals to prefill while m are there, and to the line while k are there.

    rates: lambda_n of the replica, n = m + k. Prefill is a delay of stay_s and the line a queue of
    mean sent_s: then (m, k) has weight lambda_0 .. lambda_(n - 1) prod(stay_s / m) sent_s^k.
    """
    last = rates.size - 1
    m, k = np.arange(last + 1)[:, None], np.arange(last + 1)[None, :]
    arrived = np.concatenate(([0.0], np.cumsum(np.log(np.maximum(rates[:-1], 1e-300)))))
    busy = np.minimum(np.arange(1, last + 1), slots)
    stayed = np.concatenate(([0.0], np.cumsum(np.log(stay_s[1:] / busy))))
    inside = m + k <= last
    logs = arrived[np.minimum(m + k, last)] + stayed[:, None] + k * math.log(max(sent_s, 1e-12))
    weights = np.where(inside, np.exp(np.where(inside, logs - logs[inside].max(), 0.0)), 0.0)
    found = weights * rates[np.minimum(m + k, last)]
    ends = np.append(0.0, busy / stay_s[1:])[:, None]
    to_prefill = found.sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-250)
    to_line = (weights * ends).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-250)
    to_prefill[-2:] = to_prefill[-3]
    return to_prefill, np.maximum.reduce([to_line[: last // 2], np.full(last // 2, 1e-9)])


_ROUNDS = 20
_SELDOM = 1e-8
_IN_LINE = 40
_NORMAL = ((-1.7320508, 1.0 / 6.0), (0.0, 2.0 / 3.0), (1.7320508, 1.0 / 6.0))
"""Three points with the first moments of a normal variable, and the share of each."""


def _told_apart(replicas: int, utilization: float) -> int:
    """Prompts on a replica beyond which hardly any are."""
    ratio = math.log(max(utilization, 1e-3)) * replicas
    return int(min(64, max(12, math.ceil(math.log(1e-6) / ratio) + 6)))


def _sums(one: Floats, most: int) -> Floats:
    """Mass of the sum of 0 .. most values."""
    size = one.size
    wave = np.fft.rfft(one, 2 * size)
    rows = np.zeros((most + 1, size))
    rows[0, 0] = 1.0
    for n in range(1, most + 1):
        rows[n] = np.maximum(
            np.fft.irfft(np.fft.rfft(rows[n - 1], 2 * size) * wave, 2 * size)[:size], 0.0
        )
        rows[n, -1] += max(0.0, 1.0 - float(rows[n].sum()))
    return rows


def on_grid(seconds: Floats, weights: Floats, step_s: float, size: int) -> Floats:
    """Mass at grid points, each value between two of them so that the mean is kept."""
    place = np.clip(seconds / step_s, 0.0, size - 1.001)
    low = np.floor(place).astype(np.int64)
    part = place - low
    mass = np.zeros(size)
    np.add.at(mass, low, weights * (1.0 - part))
    np.add.at(mass, low + 1, weights * part)
    return mass


def convolved(one: Floats, other: Floats) -> Floats:
    """Mass of a sum on the grid; what is beyond its end is left out."""
    size = 2 * one.shape[-1]
    wave = np.fft.rfft(one, size) * np.fft.rfft(other, size)
    mass: Floats = np.maximum(np.fft.irfft(wave, size)[..., : size // 2], 0.0)
    return mass


def _size(seconds: Floats, step_s: float, utilization: float) -> int:
    """Grid points that hold the longest service and a long wait."""
    longest = float(seconds.max()) / step_s
    wait = 12.0 * _STEPS / max(1.0 - utilization, 0.05)
    return int(2 ** math.ceil(math.log2(min(longest + wait, 4.0 * _GRID))))
