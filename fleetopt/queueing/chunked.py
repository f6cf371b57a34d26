"""TTFT of a replica that prefills a chunk of every prompt of its batch in an iteration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.chunk_server import ChunkServer
from fleetopt.queueing.grid import LateCurve, convolved, on_grid
from fleetopt.queueing.kv_line import at_stages, line_wait, shared_wait
from fleetopt.queueing.prompts import STEPS, Prompts, grid_size, told_apart
from fleetopt.workload.lengths import Floats

_ROUNDS = 20
_SELDOM = 1e-8
_BUSY_SLOTS = 0.9
"""Part of the slots that is held, on average, above which waits for them are not predicted."""
_NORMAL = ((-1.7320508, 1.0 / 6.0), (0.0, 2.0 / 3.0), (1.7320508, 1.0 / 6.0))
"""Three points with the first moments of a normal variable, and the share of each."""


@dataclass(frozen=True, eq=False)
class Chunked:
    """A chunk of every prompt of the batch in each iteration."""

    prompts: Prompts

    @cached_property
    def _mean_iterations(self) -> float:
        return float(self.prompts.weights @ self.prompts.iterations)

    @cached_property
    def _evenness(self) -> float:
        """Wait for a slot over that of geometric prompts of the same mean: (1 + cv2) of both."""
        mean = self._mean_iterations
        square = float(self.prompts.weights @ self.prompts.iterations**2) / mean**2
        return square / (2.0 - 1.0 / mean)

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

    def _present(self, rate: float) -> int:
        """Prompts on a replica that are hardly ever exceeded while slots are free."""
        numbers = np.arange(1.0, self.prompts.slots + 1.0)
        served = numbers / ((self._mean_iterations + 0.5) * self._tau(numbers))
        mean = float(np.interp(rate, served, numbers))
        return min(2 * self.prompts.slots, max(40, math.ceil(mean + 6.0 * math.sqrt(mean)) + 10))

    def _held_s(self, tau_s: float) -> float:
        """How long a slot is not used after a prefill, on average: whole iterations."""
        sent_s = self.prompts.transfer_s
        return tau_s * float(self.prompts.weights @ np.ceil(sent_s / tau_s))

    def waits_for_slots(self, rate: float) -> bool:
        """Where prompts and KV that has not left hold most of the slots."""
        tau_s = float(self._tau(np.ones(1))[0])
        free = max(0.05, 1.0 - rate * self.prompts.mean_transfer_s)
        held = rate * (self._mean_iterations * tau_s + self._held_s(tau_s) / free)
        return held > _BUSY_SLOTS * self.prompts.slots

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """Rest of an iteration, prefill among others, the wait for the line and transfer."""
        prompts = self.prompts
        server, to_line, together = self._met(replicas, rate)
        sent_s, tau = prompts.mean_transfer_s, server.tau
        step_s = float(prompts.weights @ prompts.alone_s) / STEPS
        longest_s = prompts.alone_s * tau[-1] / tau[1] + prompts.transfer_s
        size = grid_size(longest_s, step_s, rate * max(1.0 / self.full_rate, sent_s))
        total = self._prefilled(server, step_s, size)
        if prompts.link.shared:
            line = shared_wait(prompts, rate * replicas, step_s, size)
        else:
            line = line_wait(prompts, to_line, together, step_s, size)
        return LateCurve.of(convolved(total, line), step_s)

    def computing_s(self, replicas: int, rate: float) -> float:
        """Seconds of the iterations over the prompts that end in them."""
        server, _, _ = self._met(replicas, rate)
        shares, _ = server.begins
        taken = np.minimum(np.arange(shares.size), server.slots)
        return float(shares @ server.tau) / (server.end * float(shares @ taken))

    def _met(self, replicas: int, rate: float) -> tuple[ChunkServer, Floats, float]:
        """The iterations of one replica, arrivals at its line, and prefills that end at once."""
        prompts = self.prompts
        most = max(told_apart(replicas, rate / self.full_rate), self._present(rate))
        numbers = np.arange(most + 1.0)
        tau = self._tau(np.maximum(numbers, 1.0))
        stay_s = (self._mean_iterations + 0.5) * tau
        ends = np.minimum(numbers, prompts.slots) / stay_s
        to_prefill, to_line = at_stages(replicas, rate, ends, prompts)
        present = max(1.0, float(np.interp(rate, ends, numbers)))
        together = tau[1] * float(np.interp(present, numbers, to_prefill))
        tau_s = float(np.interp(rate, ends, tau))
        slots = max(1, round(prompts.slots - rate * self._held_s(tau_s)))
        server = ChunkServer(to_prefill, tau, slots, 1.0 / self._mean_iterations)
        return server, to_line, together

    def _prefilled(self, server: ChunkServer, step_s: float, size: int) -> Floats:
        """Rest of an iteration, the wait for a slot, prefill and transfer, on the grid."""
        prompts = self.prompts
        rest_s, ahead, idle = server.arrivals
        means, variances = server.served(int(prompts.iterations.max()))
        wait_mean, wait_variance = server.waited
        wait_mean, wait_variance = wait_mean * self._evenness, wait_variance * self._evenness**2
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
