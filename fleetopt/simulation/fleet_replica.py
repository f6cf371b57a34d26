"""One replica of the plain twin: a batch, a queue and a prefix cache, iteration by iteration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import PoolEngine, Status
from fleetopt.simulation.reference import elapsed_s


@dataclass(eq=False)
class Request:
    """A request on its way through the fleet; see FleetTrajectory."""

    index: int
    arrival_s: float
    prompt_tokens: int
    asked_tokens: int
    pool: int
    needs_tokens: int
    prefix: int
    prefix_tokens: int
    output_tokens: int = 0
    admitted_s: float = math.nan
    prefill_end_s: float = math.nan
    end_s: float = math.nan
    replica: int = -1
    hit_tokens: int = 0
    preemptions: int = 0
    restarts: int = 0
    status: int = Status.UNFINISHED
    client: int = 0
    landed_s: float = math.nan
    begun_s: float = math.nan
    entered: int = -1
    handovers: int = 0
    has_kv: bool = False
    prefilled_tokens: int = 0
    generated_tokens: int = 0
    to_prefill_tokens: int = 0
    share_tokens: int = 0

    def __post_init__(self) -> None:
        self.output_tokens = self.asked_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and output tokens together."""
        return self.prompt_tokens + self.output_tokens

    @property
    def is_prefilling(self) -> bool:
        """Whether prompt tokens, or earlier output tokens, are left to process."""
        return self.prefilled_tokens < self.to_prefill_tokens

    @property
    def held_tokens(self) -> int:
        """Tokens whose KV it holds."""
        if self.is_prefilling:
            return self.prefilled_tokens
        return self.prompt_tokens + self.generated_tokens


@dataclass(eq=False)
class Replica:
    """One serving engine. The batch is in order of admission, the queue in order of arrival."""

    spec: PoolEngine
    pool: int
    batch: list[Request] = field(default_factory=list)
    sending: list[Request] = field(default_factory=list)
    queue: list[Request] = field(default_factory=list)
    queue_changed_s: float = 0.0
    cache: dict[int, int] = field(default_factory=dict)
    faults: int = 0
    down_since_s: float = 0.0
    epoch_s: float = 0.0
    first_s: float = 0.0
    growth_s: float = 0.0
    floor_s: float = 0.0
    busy_s: float = 0.0
    kv_block_s: float = 0.0
    work: float = 0.0
    context_sum: float = 0.0
    down_s: float = 0.0
    lost_tokens: int = 0
    preemptions: int = 0
    restarts: int = 0

    @property
    def sequences(self) -> float:
        """Sequences running and waiting; infinite while it is down."""
        if self.faults:
            return math.inf
        return len(self.batch) + len(self.queue) + len(self.sending)

    @property
    def only_prefills(self) -> bool:
        """Whether its sequences leave when their prompts are done."""
        return self.spec.role == Role.PREFILL

    # --- KV blocks

    def blocks(self, tokens: int) -> int:
        """KV blocks that hold this many tokens."""
        return -(-tokens // self.spec.engine.block_tokens)

    def blocks_of(self, s: Request, ahead: int = 0) -> int:
        """KV blocks of a sequence in its next iteration, or in the one `ahead` of that."""
        if self.only_prefills:
            return self.blocks(s.prompt_tokens)
        if not self.spec.growth:
            return self.blocks(s.total_tokens)
        grown = 0 if s.is_prefilling else ahead
        return self.blocks(s.prompt_tokens + s.generated_tokens + 1 + grown)

    def blocks_held(self, ahead: int = 0) -> int:
        """KV blocks of the batch in its next iteration, or in the one `ahead` of that."""
        return sum(self.blocks_of(s, ahead) for s in self.batch)

    def has_blocks(self, ahead: int) -> bool:
        """Whether the KV blocks suffice for the iteration `ahead` of the next one."""
        return not self.spec.growth or self.blocks_held(ahead) <= self.spec.engine.kv_blocks

    def has_room(self, ahead: int = 0) -> bool:
        """Whether the first waiting request can join before the iteration `ahead`."""
        return bool(self.queue) and self.has_room_for(self.queue[0], ahead)

    def has_room_for(self, s: Request, ahead: int = 0) -> bool:
        """Whether a request can join; what is being sent keeps its slots and blocks."""
        if len(self.batch) + len(self.sending) >= self.spec.engine.slots:
            return False
        if not self.spec.engine.kv_blocks:
            return True
        held = self.blocks_held(ahead) + sum(self.blocks_of(other) for other in self.sending)
        return held + self.blocks_of(s) <= self.spec.engine.kv_blocks

    # --- iterations

    def context(self) -> int:
        """Context tokens of the batch at the start of an iteration."""
        if self.spec.engine.current:
            return sum(s.held_tokens for s in self.batch)
        return sum(s.prompt_tokens if self.only_prefills else s.total_tokens for s in self.batch)

    def begin_epoch(self, now: float) -> None:
        """Fix the iteration times until the batch changes."""
        engine = self.spec.engine
        self.epoch_s = self.queue_changed_s = now
        self.share_out_prompts()
        growth = sum(s.share_tokens if s.is_prefilling else 1 for s in self.batch)
        prompts = sum(s.share_tokens for s in self.batch)
        self.first_s = engine.base_s + engine.per_context_token_s * self.context()
        self.growth_s = engine.per_context_token_s * growth if engine.current else 0.0
        self.floor_s = engine.prefill_base_s
        if engine.current:
            self.floor_s += engine.prefill_per_token_s * prompts

    def share_out_prompts(self) -> None:
        """Give prefilling sequences their prompt tokens of one iteration, decodes first."""
        engine = self.spec.engine
        left: float = math.inf
        if engine.current and engine.token_budget:
            left = engine.token_budget - sum(not s.is_prefilling for s in self.batch)
        for s in self.batch:
            wanted = s.to_prefill_tokens - s.prefilled_tokens
            s.share_tokens = int(max(0, min(wanted, engine.chunk_tokens, left)))
            left -= s.share_tokens

    def end_s(self, k: int) -> float:
        """When the k-th iteration of the epoch ends."""
        return self.epoch_s + elapsed_s(k, self.first_s, self.growth_s, self.floor_s)

    def iterations_left(self, s: Request) -> int:
        """Iterations until a sequence ends its prefill or its decode."""
        if s.is_prefilling:
            left = s.to_prefill_tokens - s.prefilled_tokens
            return -(-left // self.spec.engine.chunk_tokens)
        return s.output_tokens - s.generated_tokens

    def next_change(self) -> tuple[int, float]:
        """The first iteration of the epoch after which something changes, and its end."""
        if not self.batch:
            return 0, math.inf
        step_by_step = self.spec.engine.current and any(s.is_prefilling for s in self.batch)
        last = 1 if step_by_step else min(self.iterations_left(s) for s in self.batch)
        for k in range(1, last):
            joins = self.queue and self.end_s(k) >= self.queue_changed_s and self.has_room(k)
            if joins or not self.has_blocks(k):
                return k, self.end_s(k)
        return last, self.end_s(last)

    def step(self) -> None:
        """Advance every sequence by one iteration."""
        for s in self.batch:
            if not s.is_prefilling:
                s.generated_tokens += 1
            elif self.spec.engine.current:
                if s.share_tokens and math.isnan(s.begun_s):
                    s.begun_s = self.epoch_s
                s.prefilled_tokens += s.share_tokens
            else:
                chunk = self.spec.engine.chunk_tokens
                s.prefilled_tokens = min(s.prefilled_tokens + chunk, s.to_prefill_tokens)

    # --- queue and batch

    def insert(self, s: Request, now: float) -> None:
        """Put a request into the queue, in order of arrival."""
        self.queue.append(s)
        self.queue.sort(key=lambda other: other.index)
        if self.queue[0] is s:
            self.queue_changed_s = now

    def admit(self, s: Request, now: float) -> None:
        """Put a request into the batch; it has to prefill what the prefix cache does not hold."""
        if math.isnan(s.admitted_s):
            s.admitted_s = now
        self.batch.append(s)
        s.to_prefill_tokens = s.prompt_tokens + s.generated_tokens
        s.prefilled_tokens = s.to_prefill_tokens
        if not s.has_kv:
            s.prefilled_tokens = self.hit_tokens(s)
            s.hit_tokens += s.prefilled_tokens

    def preempt_youngest(self) -> None:
        """Send the sequence that arrived last back to the queue, without its KV."""
        s = max(self.batch, key=lambda other: other.index)
        self.batch.remove(s)
        self.lost_tokens += s.held_tokens
        self.preemptions += 1
        s.preemptions += 1
        s.has_kv = False
        self.queue.append(s)
        self.queue.sort(key=lambda other: other.index)

    # --- prefix cache: tokens by prefix, the one used last at the end

    def hit_tokens(self, s: Request) -> int:
        """Prompt tokens that the cache saves: whole blocks, never the last token."""
        most = min(s.prefix_tokens, s.prompt_tokens + s.generated_tokens - 1)
        held = min(self.cache.get(s.prefix, 0), most)
        return held // self.spec.engine.block_tokens * self.spec.engine.block_tokens

    def keep_prefix(self, s: Request, tokens: int) -> None:
        """Remember a prefix; drop those that were not used for longest beyond the cache's size."""
        if not self.spec.cache_tokens or s.prefix < 0:
            return
        held = max(tokens, self.cache.pop(s.prefix, 0))
        self.cache[s.prefix] = min(held, self.spec.cache_tokens)
        while sum(self.cache.values()) > self.spec.cache_tokens:
            del self.cache[next(iter(self.cache))]
