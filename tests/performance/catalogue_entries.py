"""Entries of the bundled catalogues, by the names that tests use."""

from __future__ import annotations

from fleetopt.catalog import read_machines
from fleetopt.performance.roofline import RooflineProfile
from fleetopt.problem import EngineConfig

MACHINES = read_machines()
LLMS = MACHINES.llms
GPUS = MACHINES.gpus


def profile(llm: str, gpu: str, **engine: object) -> RooflineProfile:
    """A profile of a bundled model on a bundled GPU."""
    return RooflineProfile.of(LLMS[llm], GPUS[gpu], EngineConfig.model_validate(engine))
