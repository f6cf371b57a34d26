"""`simulate`: replications of a fleet on all cores, and their answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from os import cpu_count
from pathlib import Path

import numpy as np

from fleetopt.problem import FleetSimulation
from fleetopt.questions.fleets.answer import Simulation, answer_of
from fleetopt.questions.fleets.routers import draws
from fleetopt.questions.fleets.scenario import Scenario, scenario_of
from fleetopt.simulation import COMPILING
from fleetopt.simulation.fleet import FleetOutcome
from fleetopt.simulation.fleet_results import outcome_of, replicate_fleet
from fleetopt.simulation.fleet_run import FleetRun

Progress = Callable[[str], None]


def simulate(
    stated: FleetSimulation,
    beside: Path | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """How a fleet fares on its traffic.

    beside: folder in which relative files are looked up first. executor: runs the
    replications; threads on all cores if absent. progress: told what is being done.
    Raises InputError with every fault, the statement's key as its place.
    """
    return simulate_scenario(scenario_of(stated, beside), executor=executor, progress=progress)


def simulate_scenario(
    scenario: Scenario, *, executor: Executor | None = None, progress: Progress | None = None
) -> Simulation:
    """How a fleet fares, with everything that it names already read."""
    with workers(executor, progress) as running:
        return answer_of(scenario, runs_of(scenario, running, replications_of(scenario)))


def replications_of(scenario: Scenario) -> int:
    """Runs that can differ: one where the same requests meet a fleet that draws nothing."""
    same = scenario.is_replay and not draws(scenario.fleet)
    return 1 if same else scenario.stated.replications


def runs_of(scenario: Scenario, executor: Executor, replications: int) -> list[FleetRun]:
    """The replications, in the order of their seeds."""
    return replicate_fleet(
        scenario.fleet,
        scenario.source,
        scenario.horizon,
        scenario.stated.slo,
        seeds(scenario, replications),
        executor,
        loop=scenario.loop,
    )


def first_outcome(scenario: Scenario) -> FleetOutcome:
    """The first replication again, request by request."""
    (seed,) = seeds(scenario, 1)
    return outcome_of(scenario.fleet, scenario.source, scenario.horizon, seed, loop=scenario.loop)


def seeds(scenario: Scenario, replications: int) -> list[np.random.SeedSequence]:
    """One for each replication; the same for all routers of a scenario."""
    return np.random.SeedSequence(scenario.stated.seed).spawn(replications)


@contextmanager
def workers(executor: Executor | None, progress: Progress | None) -> Iterator[Executor]:
    """The executor, or threads on all cores: the kernel runs without the interpreter's lock."""
    from fleetopt.simulation.fleet_kernel import is_compiled

    if progress is not None and not is_compiled():
        progress(COMPILING)
    if executor is not None:
        yield executor
        return
    with ThreadPoolExecutor(cpu_count()) as threads:
        yield threads
