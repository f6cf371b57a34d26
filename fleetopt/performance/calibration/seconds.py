"""What an iteration's time consists of, as seconds that data sheets allow for each cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleetopt.performance.deployment import Deployment
from fleetopt.performance.roofline import Efficiency, Load, Step, steps

Floats = NDArray[np.float64]

CAUSES = (
    "weights", "kv", "products", "attention", "wire", "link", "kernels", "host", "sequences",
    "expert_weights", "expert_products", "prompts",
)  # fmt: skip
"""Bytes of weights and of KV; operations of products and of attention; bytes and steps on links;
kernels; iterations; sequences; bytes and operations of experts; prompts."""
NOMINAL = np.array([1.25, 1.25, 1 / 0.7, 2.0, 1.25, 1.0, 3e-6, 5e-4, 2e-5, 1.25, 1 / 0.7, 3e-3])
"""Seconds of each cause for one of its units before any calibration: 1 / efficiency, or time."""
_PEAK = {"memory": 0.8, "compute": 0.7, "attention": 0.5, "network": 0.8}
FREE = Efficiency(0.8, 0.7, 0.5, 0.8, 0.0, 0.0, "")
"""Peaks that the seconds of a step assume; kernels and the host are counted apart."""
_TOGETHER_TOKENS = 2048


def decode_units(deployment: Deployment, sequences: float, context_tokens: float) -> Floats:
    """Units of a decode iteration by cause, shape (12,): its time is their product with seconds.

    The roof that binds a step is that of the uncalibrated roofline.
    """
    return _units(deployment, Load(sequences, context_tokens))


def prompt_units(deployment: Deployment, prompt_tokens: int) -> Floats:
    """Units of one prompt by cause; short prompts share iterations of 2048 tokens."""
    together = float(max(prompt_tokens, _TOGETHER_TOKENS))
    units = _units(deployment, Load(0.0, 0.0, together, prompt_tokens / 2))
    units *= prompt_tokens / together
    units[CAUSES.index("prompts")] = 1.0
    return units


def units_of(step: Step, deployment: Deployment) -> dict[str, float]:
    """Units of one time of a step that was found with FREE, by cause."""
    if step.name == "host":
        return {"host": 1.0}
    if step.bound == "link":
        link = deployment.gpu.link.latency_s * (2.0 if step.name.startswith("dispatch") else 1.0)
        return {"link": link, "wire": max(0.0, step.seconds - link) * _PEAK["network"]}
    cause, share = _cause(step)
    return {"kernels": float(step.kernels), cause: step.seconds * share}


def _units(deployment: Deployment, load: Load) -> Floats:
    units = dict.fromkeys(CAUSES, 0.0)
    for step in steps(deployment, load, FREE):
        for cause, amount in units_of(step, deployment).items():
            units[cause] += step.times * amount
    units["sequences"] = load.sequences
    return np.array(list(units.values()))


def _cause(step: Step) -> tuple[str, float]:
    """The cause of a step's time, and the share of the peak that its seconds assume."""
    attention, experts = step.name.startswith("attention"), step.name == "experts"
    if step.bound == "memory":
        cause = "kv" if attention else "expert_weights" if experts else "weights"
        return cause, _PEAK["memory"]
    if attention:
        return "attention", _PEAK["attention"]
    return ("expert_products" if experts else "products"), _PEAK["compute"]
