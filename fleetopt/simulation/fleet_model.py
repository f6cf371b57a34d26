"""A fleet and its traffic as a simulation takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fleetopt.errors import Fault, InputError, near
from fleetopt.performance.power import PowerModel
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.simulation.fleet_links import Link, Role
from fleetopt.simulation.fleet_records import PoolEngine
from fleetopt.simulation.records import Engine, Floats, Ints


@dataclass(frozen=True, eq=False)
class FleetPool:
    """One pool of a fleet.

    growth: sequences take KV blocks as they grow and may be preempted; needs a paged capacity.
        Otherwise they take all of their blocks at admission.
    queue_limit: most requests waiting at a busy replica; 0 is no limit.
    prefix_cache_tokens: prefix tokens that each replica keeps; 0 is no prefix cache.
    power: of one GPU; None leaves energy out.
    role: both phases, prefill alone, or decode alone; the latter two need links.
    """

    name: str
    iteration: IterationTime
    capacity: Capacity
    replicas: int
    growth: bool = False
    queue_limit: int = 0
    prefix_cache_tokens: int = 0
    gpus_per_replica: int = 1
    power: PowerModel | None = None
    role: Role = Role.MIXED

    @property
    def max_context(self) -> int:
        """Longest total length that it serves, in tokens."""
        return self.capacity.max_context

    def faults(self) -> list[Fault]:
        """What is wrong with it."""
        wrong = [
            (self.replicas < 1, "replicas", f"at least 1 is expected, got {self.replicas}"),
            (self.max_context < 2, "context", f"at least 2 tokens, got {self.max_context}"),
            (self.capacity.slots < 1, "context", f"no slot holds {self.max_context} tokens"),
            (self.queue_limit < 0, "queue limit", f"0 or more, got {self.queue_limit}"),
            (self.prefix_cache_tokens < 0, "prefix cache", "0 tokens or more are expected"),
            (self.growth and not self.capacity.kv_blocks, "growth", "needs paged KV"),
        ]
        return [Fault(f"pool {self.name!r}: {place}", said) for bad, place, said in wrong if bad]

    def engine(self, overflow: int, pressure_sequences: float) -> PoolEngine:
        """The pool as plain numbers."""
        return PoolEngine(
            Engine.of(self.iteration, self.capacity),
            self.replicas,
            self.max_context,
            int(self.growth),
            self.queue_limit,
            self.prefix_cache_tokens,
            overflow,
            pressure_sequences,
            self.role,
        )


@dataclass(frozen=True)
class KvLink:
    """Carries the KV of prompts from a pool that prefills to one that decodes.

    A transfer takes latency_s + prompt tokens * kv_bytes_per_token / bytes_per_s. One follows the
    other, in the order in which prefills end. With overlap, KV is sent layer by layer from the
    beginning of its prefill on, as soon as the line is free; the last layer follows the prefill.

    source, target: names of pools. shared: whether all replicas of the source share the link;
        otherwise each has one of its own.
    overlap_layers: layers of the model; 1 is no overlap.
    """

    source: str
    target: str
    bytes_per_s: float
    kv_bytes_per_token: float
    latency_s: float = 0.0
    shared: bool = False
    overlap_layers: int = 1

    def faults(self, pools: Sequence[FleetPool]) -> list[Fault]:
        """What is wrong with it in a fleet of these pools."""
        of_pool = {pool.name: pool for pool in pools}
        source, target = of_pool.get(self.source), of_pool.get(self.target)
        longer = source and target and source.max_context > target.max_context
        wrong = [
            (source is None, f"no pool is called {self.source!r}"),
            (target is None, f"no pool is called {self.target!r}"),
            (source and source.role != Role.PREFILL, f"pool {self.source!r} is no prefill pool"),
            (target and target.role == Role.PREFILL, f"pool {self.target!r} does not decode"),
            (longer, f"pool {self.target!r} has a shorter context than {self.source!r}"),
            (not self.bytes_per_s > 0, f"bytes per second above 0, got {self.bytes_per_s:g}"),
            (not self.kv_bytes_per_token >= 0, "KV bytes per token of 0 or more"),
            (not 0 <= self.latency_s < np.inf, f"a latency of 0 s or more, got {self.latency_s:g}"),
            (self.overlap_layers < 1, f"at least 1 layer, got {self.overlap_layers}"),
        ]
        place = f"link {self.source} to {self.target}"
        return [Fault(place, said) for bad, said in wrong if bad]

    def plain(self, pools: Sequence[FleetPool]) -> Link:
        """The link as plain numbers."""
        names = [pool.name for pool in pools]
        return Link(
            names.index(self.source),
            names.index(self.target),
            self.kv_bytes_per_token / self.bytes_per_s,
            self.latency_s,
            int(not self.shared),
            self.overlap_layers,
        )


def link_faults(pools: Sequence[FleetPool], links: Sequence[KvLink]) -> list[Fault]:
    """What is wrong with the links of a fleet, and which are missing."""
    ends = {link.source for link in links}, {link.target for link in links}
    faults = [fault for link in links for fault in link.faults(pools)]
    pairs = [(link.source, link.target) for link in links]
    if len(set(pairs)) < len(pairs):
        faults.append(Fault("links", "at most one between two pools is expected"))
    for pool in pools:
        if pool.role == Role.PREFILL and pool.name not in ends[0]:
            text = "no link takes its KV to a pool that decodes"
            faults.append(Fault(f"pool {pool.name!r}: role", text))
        if pool.role == Role.DECODE and pool.name not in ends[1]:
            faults.append(Fault(f"pool {pool.name!r}: role", "no link brings KV to it"))
    if pools and all(pool.role == Role.DECODE for pool in pools):
        faults.append(Fault("fleet: pools", "at least one that prefills is expected"))
    return faults


class Recorded(Protocol):
    """Requests as a trace holds them."""

    @property
    def arrival_s(self) -> Floats:
        """Seconds, ascending."""
        ...

    @property
    def prompt_tokens(self) -> Ints:
        """Tokens of each prompt."""
        ...

    @property
    def output_tokens(self) -> Ints:
        """Tokens of each output."""
        ...

    @property
    def model(self) -> Ints | None:
        """Codes of models, if stated."""
        ...

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names by code."""
        ...

    @property
    def category(self) -> Ints | None:
        """Codes of categories, if stated."""
        ...

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names by code."""
        ...

    @property
    def session(self) -> Ints | None:
        """Codes of sessions, -1 for none, if stated."""
        ...

    @property
    def shared_tokens(self) -> Ints | None:
        """First tokens of each prompt that its session has said before, with sessions."""
        ...


@dataclass(frozen=True, eq=False)
class Traffic:
    """Requests in order of arrival; arrays of one entry each.

    arrival_s: seconds, ascending from 0 or later; ignored where clients form a closed loop.
    prompt_tokens, output_tokens: at least 1.
    model, category: codes into their names; None if not stated.
    prefix: what its first prefix_tokens prompt tokens are shared with, such as a session or a
        system prompt; -1 is nothing; None for no request.
    """

    arrival_s: Floats
    prompt_tokens: Ints
    output_tokens: Ints
    model: Ints | None = None
    model_names: tuple[str, ...] = ()
    category: Ints | None = None
    category_names: tuple[str, ...] = ()
    prefix: Ints | None = None
    prefix_tokens: Ints | None = None

    @classmethod
    def of(cls, trace: Recorded) -> Traffic:
        """The requests of a trace."""
        return cls(
            trace.arrival_s,
            trace.prompt_tokens,
            trace.output_tokens,
            trace.model,
            trace.model_names,
            trace.category,
            trace.category_names,
            trace.session,
            trace.shared_tokens,
        )

    def __len__(self) -> int:
        return self.prompt_tokens.size

    @property
    def total_tokens(self) -> Ints:
        """Prompt and output tokens of each request."""
        return self.prompt_tokens + self.output_tokens

    def faults(self) -> list[Fault]:
        """What is wrong with it, each fault at the first request that has it."""
        sizes = {column.size for column in self._columns()}
        if len(sizes) > 1:
            return [Fault("requests", "columns of one length are expected", f"got {sizes}")]
        gaps = np.diff(self.arrival_s, prepend=0.0)
        wrong = [
            (~(gaps >= 0), "arrival time", "ascending times from 0 are expected"),
            (self.prompt_tokens < 1, "prompt", "at least 1 token is expected"),
            (self.output_tokens < 1, "output", "at least 1 token is expected"),
        ]
        return [
            Fault(f"request {int(np.argmax(bad)) + 1}: {place}", said)
            for bad, place, said in wrong
            if bad.any()
        ]

    def _columns(self) -> list[Ints | Floats]:
        given = (self.model, self.category, self.prefix, self.prefix_tokens)
        own: list[Ints | Floats] = [self.arrival_s, self.prompt_tokens, self.output_tokens]
        return own + [column for column in given if column is not None]


def pool_index(pools: Sequence[FleetPool], name: str, place: str) -> int:
    """Index of a pool by its name. Raises InputError if there is none."""
    names = [pool.name for pool in pools]
    if name not in names:
        raise InputError.single(place, f"no pool is called {name!r}", near(name, names))
    return names.index(name)


def by_context(pools: Sequence[FleetPool]) -> list[int]:
    """Indices of pools, shortest context window first."""
    return sorted(range(len(pools)), key=lambda p: pools[p].max_context)
