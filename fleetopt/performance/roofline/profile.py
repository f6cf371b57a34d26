"""A profile from first principles, as tables, program and simulator take it."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.catalog import Gpu
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.memory import Memory, memory
from fleetopt.performance.power import LogisticPower, projected_power
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.performance.roofline.coefficients import Coefficients, coefficients
from fleetopt.performance.roofline.efficiency import UNCALIBRATED, Efficiency
from fleetopt.problem import EngineConfig, LlmSpec


@dataclass(frozen=True, slots=True)
class RooflineProfile:
    """Performance of one replica, computed: a ReplicaProfile.

    deployment: model, GPU and engine; memory: what its GPUs hold; fitted: its coefficients;
    reached: the constants behind them.
    """

    deployment: Deployment
    memory: Memory
    fitted: Coefficients
    reached: Efficiency

    @classmethod
    def of(
        cls, llm: LlmSpec, gpu: Gpu, engine: EngineConfig, reached: Efficiency = UNCALIBRATED
    ) -> RooflineProfile:
        """The profile of a model on a GPU with an engine. Raises InputError if it cannot run."""
        deployment = Deployment.of(llm, gpu, engine)
        held = memory(deployment)
        batch = max(2, min(engine.max_num_seqs, held.kv_tokens // engine.mean_context_tokens))
        return cls(deployment, held, coefficients(deployment, batch, reached), reached)

    @property
    def name(self) -> str:
        """A name, such as 'llama-3.1-70b-h100-tp8'."""
        return self.deployment.name

    @property
    def gpu(self) -> str:
        """Short name of the GPU."""
        return self.deployment.gpu.spec.name

    @property
    def serves(self) -> str:
        """Name of the model."""
        return self.deployment.llm.name

    @property
    def gpus_per_replica(self) -> int:
        """GPUs acting together as one replica."""
        return self.deployment.engine.gpus

    @property
    def usd_per_hour(self) -> float:
        """Price of one replica-hour; 0 if the GPU's is not known."""
        return self.deployment.gpu.usd_per_hour * self.gpus_per_replica

    @property
    def iteration(self) -> IterationTime:
        """The four coefficients; sequences count at their current length."""
        return self.fitted.iteration

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV caches of one replica hold, every layer at its full length."""
        return self.memory.kv_tokens

    @property
    def power(self) -> LogisticPower:
        """Power curve of one GPU, projected from its largest draw."""
        return projected_power(self.deployment.gpu.spec.tdp_w)

    @property
    def max_num_seqs(self) -> int:
        """Most sequences of a replica's batch."""
        return self.deployment.engine.max_num_seqs

    @property
    def admission(self) -> None:
        """Either would do."""
        return

    def reserved(self, max_context: int) -> Capacity:
        """Slots when each reserves `max_context` tokens; 0 slots if not even one fits."""
        engine = self.deployment.engine
        slots = min(engine.max_num_seqs, self.memory.slots(max_context))
        return Capacity(slots, 0, engine.block_tokens, max_context)

    def paged(self, max_context: int, max_num_seqs: int) -> Capacity:
        """Slots and KV blocks of a paged engine; 0 slots if the longest request cannot fit."""
        block = self.deployment.engine.block_tokens
        slots = max_num_seqs if max_context <= self.memory.group_kv_tokens else 0
        return Capacity(slots, self.kv_tokens // block, block, max_context)
