"""Fleets of DGX machines at Azure's requests, simulated and held to Splitwise's nine SLOs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from os import cpu_count
from pathlib import Path

import numpy as np

from benchmarks.splitwise.machines import (
    GPUS_OF_MACHINE,
    KV_BYTES_PER_TOKEN,
    KW,
    USD_PER_GPU_HOUR,
    Counting,
    Gpu,
    Machines,
    alone,
)
from fleetopt.simulation import statistics
from fleetopt.simulation.fleet import Fleet
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, KvLink, Traffic
from fleetopt.simulation.fleet_records import Limits
from fleetopt.simulation.fleet_results import outcome_of
from fleetopt.simulation.pool import Horizon
from fleetopt.simulation.records import Floats, Ints
from fleetopt.simulation.routing import ByLength
from fleetopt.simulation.slowdown import SLOWED, slowdowns
from fleetopt.simulation.statistics import MeanInterval

RATE = 70.0
LONGEST = 16_384
PERCENTILES = (50, 90, 99)
SLO = {"ttft": (2.0, 3.0, 6.0), "tbt": (1.25, 1.5, 5.0), "e2e": (1.25, 1.5, 5.0)}
"""Largest slowdowns at the percentiles, against an uncontended A100."""
LIMITS = tuple(limit for metric in SLOWED for limit in SLO[metric])
NAMES = tuple(f"P{p} {metric.upper()}" for metric in SLOWED for p in PERCENTILES)
_HORIZON = Horizon(warmup_s=60.0, measured_s=300.0, cooldown_s=30.0, drain_s=300.0)


@dataclass(frozen=True)
class Group:
    """Machines for requests of at most so many tokens, prompt and output together."""

    gpu: Gpu
    machines: int
    longest: int = LONGEST


@dataclass(frozen=True)
class Design:
    """Groups that prefill and groups that decode; without the latter both phases are together.

    decode: one group, or one for each that prefills.
    """

    prefill: tuple[Group, ...]
    decode: tuple[Group, ...] = ()

    @property
    def groups(self) -> tuple[Group, ...]:
        """All of them."""
        return self.prefill + self.decode

    @property
    def usd_per_hour(self) -> float:
        """At Splitwise's prices."""
        return sum(g.machines * GPUS_OF_MACHINE * USD_PER_GPU_HOUR[g.gpu] for g in self.groups)

    @property
    def power(self) -> float:
        """In Splitwise's unit, of which an H100 machine takes 44."""
        return sum(g.machines * KW[g.gpu] for g in self.groups)

    def with_machines(self, counts: Sequence[int]) -> Design:
        """The same groups with other counts."""
        changed = [replace(g, machines=n) for g, n in zip(self.groups, counts, strict=True)]
        return Design(tuple(changed[: len(self.prefill)]), tuple(changed[len(self.prefill) :]))

    def fleet(self, machines: Machines) -> Fleet:
        """For the simulator."""
        role = Role.PREFILL if self.decode else Role.MIXED
        first = [_pool(machines, f"prefill {g.longest}", g, role) for g in self.prefill]
        second = [_pool(machines, f"decode {g.longest}", g, Role.DECODE) for g in self.decode]
        targets = self.decode if len(self.decode) > 1 else self.decode * len(self.prefill)
        links = tuple(
            KvLink(
                f"prefill {a.longest}",
                f"decode {b.longest}",
                machines.bytes_per_s(a.gpu, b.gpu),
                KV_BYTES_PER_TOKEN,
                overlap_layers=machines.overlap_layers,
            )
            for a, b in zip(self.prefill if self.decode else (), targets, strict=True)
        )
        return Fleet((*first, *second), ByLength(), links=links)


def _pool(machines: Machines, name: str, group: Group, role: Role) -> FleetPool:
    capacity = machines.capacity(group.gpu, group.longest)
    time = machines.iteration(group.gpu)
    return FleetPool(
        name, time, capacity, group.machines, gpus_per_replica=GPUS_OF_MACHINE, role=role
    )


@dataclass(frozen=True, eq=False)
class Case:
    """Requests with the lengths of a trace, as a Poisson process: as Splitwise scales it."""

    name: str
    prompt_tokens: Ints
    output_tokens: Ints

    @classmethod
    def read(cls, name: str, path: Path) -> Case:
        """From the CSV of a trace: arrival, prompt and output tokens."""
        columns = np.loadtxt(path, delimiter=",", skiprows=1).astype(np.int64)
        return cls(name, columns[:, 1], np.maximum(columns[:, 2], 1))

    def draw(self, rng: np.random.Generator, horizon_s: float) -> Traffic:
        """Requests that arrive in [0, horizon_s), prompt and output of the same line."""
        count = rng.poisson(RATE * horizon_s)
        which = rng.integers(self.prompt_tokens.size, size=count)
        times_s = np.sort(rng.random(count) * horizon_s)
        return Traffic(times_s, self.prompt_tokens[which], self.output_tokens[which])


@dataclass(frozen=True, eq=False)
class Judged:
    """A design in the simulator.

    slowdowns: of each seed, the nine percentiles in the order of NAMES; infinite where that many
    requests did not end.
    """

    design: Design
    slowdowns: Floats

    @cached_property
    def intervals(self) -> tuple[MeanInterval, ...]:
        """Of each percentile over the seeds, 95 %."""
        return tuple(_interval(column) for column in self.slowdowns.T)

    @property
    def verdict(self) -> str:
        """'pass' if every interval lies within its SLO, 'fail' if one lies above, else 'open'."""
        pairs = list(zip(self.intervals, LIMITS, strict=True))
        if all(found.high <= limit for found, limit in pairs):
            return "pass"
        return "fail" if any(found.low > limit for found, limit in pairs) else "open"

    @property
    def misses(self) -> Iterator[str]:
        """The SLOs that are not kept on average."""
        for name, found, limit in zip(NAMES, self.intervals, LIMITS, strict=True):
            if not found.estimate <= limit:
                yield f"{name} {found.estimate:.2f} > {limit:g}"


def _interval(values: Floats) -> MeanInterval:
    if not np.isfinite(values).all():
        return MeanInterval(np.inf, np.inf, np.inf)
    return statistics.mean_interval(values.tolist())


def judge(case: Case, counting: Counting, design: Design, seeds: Sequence[int]) -> Judged:
    """The nine slowdowns of a design, for each seed."""
    fleet = design.fleet(Machines(counting, case.prompt_tokens))
    with ThreadPoolExecutor(cpu_count()) as threads:  # the kernel lets go of the interpreter
        return Judged(design, np.array(list(threads.map(partial(_slowdowns, case, fleet), seeds))))


def _slowdowns(case: Case, fleet: Fleet, seed: int) -> list[float]:
    run = outcome_of(
        fleet, case, _HORIZON, np.random.SeedSequence(seed), limits=Limits(stop_early=0)
    )
    found = slowdowns(run, alone(run.traffic.prompt_tokens))
    return [
        float(np.quantile(found[metric], p / 100.0, method="higher"))
        for metric in SLOWED
        for p in PERCENTILES
    ]
