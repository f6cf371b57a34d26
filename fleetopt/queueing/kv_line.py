"""The line that a prompt's KV waits in, and how many arrive at prefill and line."""

from __future__ import annotations

import math

import numpy as np

from fleetopt.queueing.batch_server import Batches
from fleetopt.queueing.grid import convolved, on_grid
from fleetopt.queueing.prompts import Prompts
from fleetopt.queueing.shortest_queue import shortest_queue_rates
from fleetopt.workload.lengths import Floats

IN_LINE = 40
"""Transfers in a line that are told apart."""
_SETTLED = 40
_TURNS = 4


def at_stages(replicas: int, rate: float, ends: Floats, prompts: Prompts) -> tuple[Floats, Floats]:
    """Arrivals per second at a replica's prefill while m are there, and at its line while k are.

    rate: arrivals of one replica on average. ends: prefills per second of m prompts, m = 0, 1, ...
    The router sees n = m + k and sends lambda_n. Prefill and line in tandem
    then have the weights lambda_0 .. lambda_(n - 1) D^k / (ends_1 .. ends_m), D the mean transfer.
    That is for exponential times. The more equal transfers are, the more the router sees of the
    line alone; half the squared coefficient of variation as the weight was found by simulation.
    """
    sent_s = prompts.mean_transfer_s
    if sent_s <= 0.0 or prompts.link.shared:
        return shortest_queue_rates(replicas, rate, ends), np.full(IN_LINE, rate)
    rates = shortest_queue_rates(replicas, rate, _leaving(ends, sent_s))
    last = rates.size - 1
    m, k = np.arange(last + 1)[:, None], np.arange(last + 1)[None, :]
    arrived = np.concatenate(([0.0], np.cumsum(np.log(np.maximum(rates[:-1], 1e-300)))))
    ended = np.concatenate(([0.0], np.cumsum(np.log(ends[1:]))))
    logs = arrived[np.minimum(m + k, last)] - ended[:, None] + k * math.log(sent_s)
    logs = np.where(m + k <= last, logs, -math.inf)
    weights = np.exp(logs - logs.max())
    found = weights * rates[np.minimum(m + k, last)]
    to_prefill = found.sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-250)
    to_prefill[-2:] = to_prefill[-3]
    to_line = (weights * ends[:, None]).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-250)
    known = np.maximum(to_line[: last // 2], 1e-9)
    apart = np.append(known, np.full(IN_LINE, known[-1]))
    at_line = np.append(0.0, np.full(apart.size - 1, 1.0 / sent_s))
    square = float(prompts.weights @ prompts.transfer_s**2) / sent_s**2
    varies = min(1.0, 0.5 * (square - 1.0))
    alone = shortest_queue_rates(replicas, rate, at_line)
    return to_prefill, varies * apart + (1.0 - varies) * alone


def _leaving(ends: Floats, sent_s: float) -> Floats:
    """Departures per second with n on the replica, in prefill and in a line behind it (Buzen)."""
    unit = ends[1]
    prefill = np.concatenate(([1.0], np.cumprod(unit / ends[1:])))
    line = (sent_s * unit) ** np.arange(ends.size)
    constant = np.convolve(prefill, line)[: ends.size]
    return np.append(0.0, unit * constant[:-1] / constant[1:])


def line_wait(prompts: Prompts, rates: Floats, together: float, step_s: float, size: int) -> Floats:
    """The wait for the line, on the grid.

    rates: arrivals at the line while k are there. together: prefills that end at once. Half of
    them are sent before; half of those would be there too if they ended one by one.
    """
    sent = on_grid(prompts.transfer_s, prompts.weights, step_s, size)
    found = Batches(np.tile(sent, (rates.size, 1)), rates, 1, step_s)
    wave = np.fft.rfft(sent, 2 * size)
    before = np.fft.irfft(np.exp(0.25 * together * (wave - 1.0)), 2 * size)[:size]
    return convolved(found.waits.sum(axis=0), np.maximum(before, 0.0))


def shared_wait(prompts: Prompts, rate: float, step_s: float, size: int) -> Floats:
    """The wait for a line that all replicas share: their departures are nearly Poisson.

    rate: requests per second of the pool.
    """
    return line_wait(prompts, np.full(IN_LINE, rate), 0.0, step_s, size)


def left_over(work: Floats, gap: Floats) -> Floats:
    """What a line still has to send when the next batch comes to it (Lindley's recursion).

    work: mass of the seconds that a batch brings; gap: of those between batches.
    """
    size = work.size
    change = np.fft.rfft(work, 4 * size) * np.conj(np.fft.rfft(gap, 4 * size))
    left = np.zeros(size)
    left[0] = 1.0
    for _ in range(_SETTLED):
        wave = np.fft.rfft(left, 4 * size) * change
        moved = np.maximum(np.fft.irfft(wave, 4 * size), 0.0)
        left = moved[:size].copy()
        left[0] += float(moved[2 * size :].sum())
        left /= left.sum()
    return left


def slot_wait(prompts: Prompts, replicas: int, rate: float, step_s: float, size: int) -> Floats:
    """The wait for a shared line where each replica sends one prompt at a time.

    rate: requests per second of one replica. Those that send are no source of the next transfer,
    so the line takes (N - k) nu arrivals per second while k are there.
    """
    sources = min(replicas, IN_LINE)
    free = np.maximum(sources - np.arange(sources + 2.0), 0.0) * replicas / sources
    wait, mean_s = np.zeros(size), 0.0
    for _ in range(_TURNS):
        away = min(0.95, rate * (prompts.mean_transfer_s + mean_s))
        wait = line_wait(prompts, free * rate / (1.0 - away), 0.0, step_s, size)
        mean_s = step_s * float(wait @ np.arange(size))
    return wait
