"""Performance of one replica: iteration time, slots and KV capacity.

In one iteration every active sequence advances by one prefill chunk or one output token.
The iteration takes

    tau = max(W + h C, F0 + F1 P)   seconds,

with C the context tokens of the active sequences and P the prompt tokens it prefills.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from fleetopt.errors import InputError
from fleetopt.performance.power import PowerModel, batch_under_cap, power_model

if TYPE_CHECKING:
    from fleetopt.problem import CoefficientSpec, ProfileSpec

Context = Literal["total", "current"]
Spec = TypeVar("Spec", "ProfileSpec", "CoefficientSpec")


@dataclass(frozen=True, slots=True)
class IterationTime:
    """The four coefficients of the iteration time, and what a sequence counts as.

    base_s: W, seconds of an iteration with an empty batch.
    per_context_token_s: h, seconds per context token of the active sequences.
    prefill_base_s, prefill_per_token_s: F0 and F1, seconds and seconds per prompt token.
    context: "total" counts a sequence at its total length from admission on, "current" at
        the tokens it holds so far.
    chunk_tokens: most prompt tokens that one sequence prefills in an iteration.
    token_budget: prompt and output tokens of one iteration; 0 gives every prefilling
        sequence a chunk of its own.
    first_token_s: seconds that clients wait for a first token beyond the replica's queue and
        iterations; part of TTFT and E2E, and no work for the replica.
    """

    base_s: float
    per_context_token_s: float
    prefill_base_s: float = 0.0
    prefill_per_token_s: float = 0.0
    context: Context = "total"
    chunk_tokens: int = 512
    token_budget: int = 0
    first_token_s: float = 0.0

    def outside_s(self, metric: str) -> float:
        """Seconds of a latency that pass outside of the replica's queue and iterations."""
        return 0.0 if metric == "tpot" else self.first_token_s

    def seconds(self, context_tokens: float, prefill_tokens: float = 0.0) -> float:
        """Time of an iteration with C context tokens that prefills P prompt tokens."""
        decode_s = self.base_s + self.per_context_token_s * context_tokens
        return max(decode_s, self.prefill_base_s + self.prefill_per_token_s * prefill_tokens)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What limits the running batch of one replica.

    slots: most sequences in the batch.
    kv_blocks: KV blocks shared by the batch; 0 if every slot holds a whole context window.
    block_tokens: tokens of a KV block.
    max_context: longest total length that is served, in tokens.
    """

    slots: int
    kv_blocks: int
    block_tokens: int
    max_context: int

    def batch(self, mean_context_tokens: float) -> float:
        """Most sequences that a replica runs at once if they hold this many tokens on average."""
        if not self.kv_blocks or mean_context_tokens <= 0:
            return float(self.slots)
        return max(1.0, min(self.slots, self.kv_blocks * self.block_tokens / mean_context_tokens))


class ReplicaProfile(Protocol):
    """What tables, program and simulator ask of a profile."""

    @property
    def name(self) -> str:
        """Short name, such as 'h100'."""
        ...

    @property
    def gpu(self) -> str:
        """GPU type of a replica."""
        ...

    @property
    def serves(self) -> str:
        """The model it serves."""
        ...

    @property
    def gpus_per_replica(self) -> int:
        """GPUs acting together as one replica."""
        ...

    @property
    def usd_per_hour(self) -> float:
        """Price of one replica-hour."""
        ...

    @property
    def iteration(self) -> IterationTime:
        """Coefficients of the iteration time."""
        ...

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache of one replica holds."""
        ...

    @property
    def power(self) -> PowerModel | None:
        """Power curve of one GPU, if known."""
        ...

    @property
    def max_num_seqs(self) -> int | None:
        """Most sequences of a paged batch; None if the profile leaves it open."""
        ...

    @property
    def admission(self) -> str | None:
        """How the engine admits sequences; None if the profile leaves it open."""
        ...

    def reserved(self, max_context: int) -> Capacity:
        """Capacity when every slot reserves the whole context window."""
        ...

    def paged(self, max_context: int, max_num_seqs: int) -> Capacity:
        """Capacity when sequences take KV blocks as they need them."""
        ...


@dataclass(frozen=True, slots=True)
class StatedProfile(Generic[Spec]):
    """What every profile takes from its statement as it is."""

    spec: Spec

    @property
    def name(self) -> str:
        """Short name, such as 'h100'."""
        return self.spec.name

    @property
    def gpu(self) -> str:
        """Short name of the GPU."""
        return self.spec.gpu

    @property
    def serves(self) -> str:
        """The model that it serves."""
        return self.spec.serves

    @property
    def gpus_per_replica(self) -> int:
        """GPUs acting together as one replica."""
        return self.spec.gpus_per_replica

    @property
    def usd_per_hour(self) -> float:
        """Price of one replica-hour."""
        return self.spec.usd_per_hour * self.spec.gpus_per_replica

    @property
    def power(self) -> PowerModel | None:
        """Power curve of one GPU, if known."""
        return power_model(self.spec.power) if self.spec.power else None


@dataclass(frozen=True, slots=True)
class CalibratedProfile(StatedProfile["ProfileSpec"]):
    """A profile measured at one context length; iteration time scales with context."""

    @property
    def iteration(self) -> IterationTime:
        """W + h C with h = H / L_cal, and prefill compute if the profile states it."""
        return IterationTime(
            base_s=self.spec.base_s,
            per_context_token_s=self.spec.per_sequence_s / self.spec.calibration_context_tokens,
            prefill_base_s=self.spec.prefill_base_s,
            prefill_per_token_s=self.spec.prefill_per_token_s,
            context=self.spec.context,
            chunk_tokens=self.spec.chunk_tokens,
            token_budget=self.spec.token_budget,
        )

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache of one replica holds."""
        return self.spec.kv_blocks * self.spec.block_tokens

    @property
    def max_num_seqs(self) -> None:
        """The measurement says nothing of it."""
        return

    @property
    def admission(self) -> None:
        """The measurement says nothing of it."""
        return

    def reserved(self, max_context: int) -> Capacity:
        """Slots when each reserves `max_context` tokens; 0 slots if not even one fits."""
        spec = self.spec
        by_compute = spec.calibration_slots * spec.calibration_context_tokens // max_context
        by_memory = spec.kv_blocks // -(-max_context // spec.block_tokens)
        slots = under_cap(min(by_compute, by_memory), self.power)
        return Capacity(slots, 0, spec.block_tokens, max_context)

    def paged(self, max_context: int, max_num_seqs: int) -> Capacity:
        """Slots and KV blocks of a paged engine; 0 slots if the longest request cannot fit."""
        spec = self.spec
        fits = -(-max_context // spec.block_tokens) <= spec.kv_blocks
        slots = under_cap(max_num_seqs, self.power) if fits else 0
        return Capacity(slots, spec.kv_blocks, spec.block_tokens, max_context)


def under_cap(slots: int, power: PowerModel | None) -> int:
    """The slots of a replica, no more than a cap on the power of its GPUs allows."""
    return slots if power is None or power.cap_w is None else min(slots, batch_under_cap(power))


def calibrated(profile: ReplicaProfile) -> CalibratedProfile:
    """The profile, if it was measured at one context, as the published formulas need it.

    Raises InputError.
    """
    if not isinstance(profile, CalibratedProfile):
        text = f"the published formulas need a calibrated profile, {profile.name!r} is none"
        raise InputError.single("method", text, "use method 'fleetopt'")
    return profile
