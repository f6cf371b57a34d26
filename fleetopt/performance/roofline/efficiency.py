"""The few constants that a roofline needs beside data sheets; a calibration replaces them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetopt.performance.deployment import Deployment
    from fleetopt.performance.roofline.roofs import Step
    from fleetopt.performance.roofline.steps import Load


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What a GPU with an engine reaches of its peaks, and what it loses beside them.

    memory, gemm, attention, network: shares of the peak bandwidth, of the peak rate of
        weight products, of the peak rate of attention and of a link's bandwidth.
    kernel_s: seconds that one kernel loses to its launch and its ramp.
    iteration_s: seconds of the host for one iteration: scheduling, sampling, detokenizing.
    source: where the constants come from.
    """

    memory: float
    gemm: float
    attention: float
    network: float
    kernel_s: float
    iteration_s: float
    source: str

    def refined(self, found: list[Step], deployment: Deployment, load: Load) -> list[Step]:
        """The steps of an iteration, as whatever more is known has them; here nothing more."""
        return found

    def first_token_s(self, iteration_s: float, prompt_tokens: float) -> float:
        """Seconds that clients wait for a first token beyond the iterations; nothing is known."""
        return 0.0


UNCALIBRATED = Efficiency(
    memory=0.80,
    gemm=0.70,
    attention=0.50,
    network=0.80,
    kernel_s=3e-6,
    iteration_s=5e-4,
    source="memory and kernel_s: AIConfigurator's constants (arXiv:2601.06288); the others are "
    "round assumptions, fitted to nothing",
)
"""Constants for any GPU and engine that nobody measured."""
