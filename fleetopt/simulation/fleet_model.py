"""A fleet and its traffic as a simulation takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fleetopt.errors import Fault, InputError, near
from fleetopt.performance.power import PowerModel
from fleetopt.performance.profile import Capacity, IterationTime
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
        )


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
