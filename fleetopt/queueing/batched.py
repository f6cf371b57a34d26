"""TTFT of a replica that prefills all prompts that wait, with the compute of their tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.queueing.batch_server import Batches, balanced
from fleetopt.queueing.grid import LateCurve, convolved, on_grid, sums_of
from fleetopt.queueing.kv_line import IN_LINE, at_stages, left_over, line_wait
from fleetopt.queueing.prompts import STEPS, Prompts, grid_size, told_apart
from fleetopt.workload.lengths import Floats

_SELDOM = 1e-9
_FEW_SLOTS, _BUSY_SLOTS = 2, 0.5


@dataclass(frozen=True, eq=False)
class Batched:
    """All prompts that wait in one iteration of max(W, F0 + F1 P) seconds.

    A full token budget is taken as the number of mean prompts that it holds.
    """

    prompts: Prompts

    @cached_property
    def full_rate(self) -> float:
        """Prompts per second of iterations with every slot or the whole token budget taken."""
        most = min(self.prompts.slots, self.prompts.time.token_budget / self.prompts.mean_tokens)
        return most / self._mean_s(most)

    @cached_property
    def taken(self) -> int:
        """Prompts that an iteration takes at most."""
        budget = math.ceil(self.prompts.time.token_budget / self.prompts.mean_tokens)
        return max(1, min(self.prompts.slots, budget))

    def _mean_s(self, number: float) -> float:
        time = self.prompts.time
        prompts_s = number * time.prefill_per_token_s * self.prompts.mean_tokens
        return max(self.least_s, time.prefill_base_s + prompts_s)

    @cached_property
    def least_s(self) -> float:
        """Seconds of an iteration that its prompts do not lengthen."""
        time = self.prompts.time
        return time.base_s + 0.5 * time.per_context_token_s * self.prompts.mean_tokens

    def waits_for_slots(self, rate: float) -> bool:
        """Where a slot or two hold up what the token budget would take."""
        return self.taken <= _FEW_SLOTS and rate > _BUSY_SLOTS * self.full_rate

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """Rest of an iteration, prefill among others and transfer."""
        grid, found, (to_prefill, to_line) = self._met(replicas, rate)
        shared = self.prompts.link.shared
        sent_s = self.prompts.mean_transfer_s
        in_one_line = not shared and sent_s > grid.mean_s(1)
        if in_one_line:
            before = line_wait(self.prompts, to_line, 0.0, grid.step_s, grid.size)
        elif shared:
            before = grid.wait_of_batch(found, rate * replicas)
        else:
            before = grid.left_in_line(found, float(to_prefill[0]))
        return LateCurve.of(convolved(grid.served(found, in_one_line), before), grid.step_s)

    def computing_s(self, replicas: int, rate: float) -> float:
        """Seconds of the iterations over the prompts that they take."""
        grid, found, _ = self._met(replicas, rate)
        seconds = np.array([grid.mean_s(n) for n in range(found.sizes.size)])
        return float(found.sizes @ seconds) / float(found.sizes @ np.arange(seconds.size))

    def _met(self, replicas: int, rate: float) -> tuple[_Grid, Batches, tuple[Floats, Floats]]:
        """The stationary batches, and arrivals at the prefill and at the line of one replica."""
        most = told_apart(replicas, rate / self.full_rate)
        grid = _Grid.of(self, rate)
        numbers = [min(n, self.taken) for n in range(most + 1)]
        ends = np.array([0.0, *(n / grid.mean_s(n) for n in numbers[1:])])
        rates = at_stages(replicas, rate, ends, self.prompts)
        found = balanced(grid.service[numbers], rates[0], self.taken, grid.step_s, rate)
        return grid, found, rates


@dataclass(frozen=True, eq=False)
class _Grid:
    """Times of a replica's batches on a grid.

    sums: compute of n prompts, rows by n. service: of an iteration of n prompts.
    """

    replica: Batched
    step_s: float
    size: int
    sums: Floats
    service: Floats

    @classmethod
    def of(cls, replica: Batched, rate: float) -> _Grid:
        """For a rate of arrivals on one replica."""
        prompts = replica.prompts
        step_s = float(prompts.weights @ prompts.alone_s) / STEPS
        longest_s = prompts.alone_s + prompts.transfer_s
        busy = rate * max(1.0 / replica.full_rate, prompts.mean_transfer_s)
        size = grid_size(longest_s, step_s, busy)
        compute_s = prompts.time.prefill_per_token_s * prompts.tokens
        one = on_grid(compute_s, prompts.weights, step_s, size)
        sums = sums_of(one, replica.taken)
        grid = cls(replica, step_s, size, sums, sums)
        service = np.stack([grid.iteration(row) for row in sums])
        service[1] = on_grid(prompts.alone_s, prompts.weights, step_s, size)
        return cls(replica, step_s, size, sums, service)

    def mean_s(self, number: int) -> float:
        """Seconds of an iteration of so many prompts."""
        return self.step_s * float(self.service[number] @ np.arange(self.size))

    def iteration(self, compute: Floats) -> Floats:
        """Mass of the iteration time from that of the compute."""
        seconds = self.replica.prompts.time.prefill_base_s + self.step_s * np.arange(self.size)
        least_s = self.replica.least_s
        return on_grid(np.maximum(least_s, seconds), compute, self.step_s, self.size)

    def served(self, found: Batches, alone: bool) -> Floats:
        """TTFT but for a wait for the line: wait, prefill, and the transfers before its own.

        alone: leave out the transfers of the batch that come before.
        """
        prompts, time = self.replica.prompts, self.replica.prompts.time
        own_s = prompts.alone_s + prompts.transfer_s
        linear_s = time.prefill_per_token_s * prompts.tokens + prompts.transfer_s
        total = convolved(found.waits[0], self._placed(own_s))
        linear, sent = self._placed(linear_s), self._placed(prompts.transfer_s)
        before = sums_of(sent, found.waits.shape[0])
        for others in range(1, found.waits.shape[0]):
            if found.waits[others].sum() > _SELDOM:
                among = self.iteration(convolved(linear, self.sums[others]))
                if not alone:
                    among = convolved(among, before[: others + 1].mean(axis=0))
                total += convolved(found.waits[others], among)
        return total

    def left_in_line(self, found: Batches, idle_rate: float) -> Floats:
        """What a replica's own line has not sent when the next batch ends."""
        gap = np.asarray(found.sizes @ self.service[: found.sizes.size])
        times = self.step_s * np.arange(self.size)
        empty = np.exp(-idle_rate * times)
        empty /= empty.sum()
        gap = (1.0 - found.ends_idle) * gap + found.ends_idle * convolved(gap, empty)
        left: Floats = left_over(self._sent(found), gap)
        return left

    def wait_of_batch(self, found: Batches, rate: float) -> Floats:
        """The wait of a batch's first prompt for a line that all replicas share.

        rate: requests per second of the pool; its batches come to the line nearly as a Poisson
        process.
        """
        mean = float(found.sizes @ np.arange(found.sizes.size))
        rates = np.full(IN_LINE, rate / mean)
        batch = np.tile(self._sent(found), (IN_LINE, 1))
        waits: Floats = Batches(batch, rates, 1, self.step_s).waits.sum(axis=0)
        return waits

    def _sent(self, found: Batches) -> Floats:
        """Mass of the transfer time of a whole batch."""
        one = self._placed(self.replica.prompts.transfer_s)
        mass: Floats = found.sizes @ sums_of(one, found.sizes.size - 1)
        return mass

    def _placed(self, seconds: Floats) -> Floats:
        return on_grid(seconds, self.replica.prompts.weights, self.step_s, self.size)
