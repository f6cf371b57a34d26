"""A profile by its four coefficients, derived from data sheets or fitted to measurements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fleetopt.performance.power import PowerModel, power_model
from fleetopt.performance.profile import (
    CalibratedProfile,
    Capacity,
    IterationTime,
    ReplicaProfile,
    StatedProfile,
    under_cap,
)
from fleetopt.problem import AnyProfileSpec, CoefficientSpec


@dataclass(frozen=True)
class CoefficientProfile(StatedProfile[CoefficientSpec]):
    """The profile of a CoefficientSpec: a ReplicaProfile."""

    @cached_property
    def iteration(self) -> IterationTime:
        """The four coefficients."""
        spec = self.spec
        return IterationTime(
            base_s=spec.base_s,
            per_context_token_s=spec.per_context_token_s,
            prefill_base_s=spec.prefill_base_s,
            prefill_per_token_s=spec.prefill_per_token_s,
            context=spec.context,
            chunk_tokens=spec.chunk_tokens,
            token_budget=spec.token_budget,
            first_token_s=spec.first_token_s,
        )

    @cached_property
    def power(self) -> PowerModel | None:
        """Power curve of one GPU, if known."""
        return power_model(self.spec.power) if self.spec.power else None

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV caches of one replica hold, every layer at its full length."""
        return self.spec.kv_tokens

    @property
    def max_num_seqs(self) -> int | None:
        """Most sequences of a replica's batch; None if the engine leaves it open."""
        return self.spec.max_num_seqs

    @property
    def admission(self) -> str | None:
        """How the engine admits sequences; None if it leaves it open."""
        return self.spec.admission

    def reserved(self, max_context: int) -> Capacity:
        """Slots when each reserves `max_context` tokens; 0 slots if not even one fits."""
        spec = self.spec
        tokens: float = self._in_blocks(max_context)
        if spec.windowed_share:
            windowed = min(tokens, self._in_blocks(spec.window_tokens))
            tokens -= (tokens - windowed) * spec.windowed_share
        slots = spec.kv_groups * int(self._group_kv_tokens // tokens)
        if spec.max_num_seqs is not None:
            slots = min(slots, spec.max_num_seqs)
        slots = under_cap(slots, self.power)
        return Capacity(slots, 0, spec.block_tokens, max_context)

    def paged(self, max_context: int, max_num_seqs: int) -> Capacity:
        """Slots and KV blocks of a paged engine; 0 slots if the longest request cannot fit."""
        spec = self.spec
        slots = max_num_seqs if self._in_blocks(max_context) <= self._group_kv_tokens else 0
        slots = under_cap(slots, self.power)
        return Capacity(slots, spec.kv_tokens // spec.block_tokens, spec.block_tokens, max_context)

    @property
    def _group_kv_tokens(self) -> int:
        return self.spec.kv_tokens // self.spec.kv_groups

    def _in_blocks(self, tokens: int) -> int:
        block = self.spec.block_tokens
        return -(-tokens // block) * block


def profile_of(spec: AnyProfileSpec) -> ReplicaProfile:
    """The profile that a statement describes."""
    if isinstance(spec, CoefficientSpec):
        return CoefficientProfile(spec)
    return CalibratedProfile(spec)
