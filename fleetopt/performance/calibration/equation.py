"""What is fitted to measured runs: seconds of causes, as factors that multiply over levels.

    seconds = sum_k u_k theta_k,   theta_k = nominal_k exp(sum_l b_lk)

with the units u of a run and the logarithms b of each level that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleetopt.performance.calibration.seconds import NOMINAL, Floats


@dataclass(frozen=True, eq=False)
class Equation:
    """Causes of a time, and how far levels may be expected to differ.

    nominal: seconds of a unit of each cause before any measurement, shape (causes,).
    sigma: by kind of level, standard deviation of the logarithm of a factor given the levels
        before, one for all causes or one for each. scale: relative error from which on a run
        loses weight.
    """

    nominal: Floats
    sigma: Mapping[str, tuple[float, ...]]
    scale: float

    def spread(self, level: str) -> Floats:
        """Standard deviation of a level's logarithms, shape (causes,)."""
        found = np.array(self.sigma[level.split(" ")[0]])
        return np.asarray(np.broadcast_to(found, self.nominal.shape))


DECODING = Equation(
    NOMINAL,
    {"any": (0.5,), "kind": (0.15,), "model": (0.15,), "gpu": (0.07,), "group": (0.3,)},
    0.1,
)
"""Decoding: any engine; engine and kind of model; engine and model; engine and GPU; the group."""

FIRST_TOKEN = Equation(
    np.array([0.02, 1.0, 1.0, 4e-6]),
    {
        "any": (1.0, 0.3, 1.0, 1.0),
        "kind": (0.7, 0.2, 0.7, 0.5),
        "spread": (0.7, 0.2, 1.5, 0.5),
        "model": (0.5, 0.2, 0.7, 0.5),
        "group": (0.4, 0.2, 0.4, 0.4),
    },
    0.2,
)
"""TTFT: seconds outside of the engine, the simulated TTFT, iterations and prompt tokens.

Tokenizing and sending take time for every prompt token; an engine polls for requests, balances
its attention groups or sends tokens every few iterations. Attention groups differ most in that.
"""


def level_names(backend: str, kind: str, llm: str, gpu: str) -> tuple[str, ...]:
    """Levels that the decoding of a run belongs to, in the order of DECODING."""
    return (
        "any",
        f"kind {backend} {kind}",
        f"model {backend} {llm}",
        f"gpu {backend} {gpu}",
        f"group {gpu} {backend} {llm}",
    )


_NODE_GROUPS = 8


def first_token_names(
    backend: str, kind: str, llm: str, gpu: str, groups: int = 1
) -> tuple[str, ...]:
    """Levels that the first token of a run belongs to, in the order of FIRST_TOKEN.

    Attention groups wait for one another; those of several nodes have phases apart.
    """
    spread = "racks" if groups > _NODE_GROUPS else "groups" if groups > 1 else "alone"
    return (
        "any",
        f"kind {backend} {kind}",
        f"spread {backend} {kind} {spread}",
        f"model {backend} {llm}",
        f"group {gpu} {backend} {llm} {spread}",
    )
