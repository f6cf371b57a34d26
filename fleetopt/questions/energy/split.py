"""Does a split save energy? Two pools with given GPUs beside fleets of one pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem
from fleetopt.questions.energy.pools import FleetEnergy, check_power, pool_energy
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.energy.simulated import SimulatedEnergy, simulated_energy
from fleetopt.questions.energy.tokens_per_watt import Contexts, one_pool
from fleetopt.workload.compression import Served


@dataclass(frozen=True)
class Topology:
    """One fleet by the problem's method, beside the published formulas and the simulator.

    published: at the published context, with counts of its own; None where the published
    formulas say nothing. simulated: of `fleet`; None
    unless it was asked for.
    """

    fleet: FleetEnergy
    published: FleetEnergy | None
    simulated: SimulatedEnergy | None


@dataclass(frozen=True)
class SplitEnergy:
    """Two pools first, then one pool of the long pool's GPU, and of the short pool's if another.

    context_tokens, published_context_tokens, cut_requests, cut_tokens: as in TokensPerWatt.
    """

    problem: FleetProblem
    b_short: int
    topologies: tuple[Topology, ...]
    context_tokens: int
    published_context_tokens: int
    cut_requests: float
    cut_tokens: float

    @property
    def split(self) -> Topology:
        """The two pools."""
        return self.topologies[0]

    @property
    def one_pool(self) -> Topology:
        """One pool of the long pool's GPU."""
        return self.topologies[1]

    @property
    def saving(self) -> float:
        """Power that the split saves, as a share of the draw of one pool for the same requests."""
        return 1.0 - self.split.fleet.kilowatts / self.one_pool.fleet.kilowatts

    @property
    def saves(self) -> bool | None:
        """Whether the split saves energy; None where intervals of the simulator leave it open."""
        simulated = self.one_pool.simulated
        if simulated is None:
            return self.saving > 0
        less = simulated.tokens_per_watt_less
        if less.low is None or less.high is None or less.low <= 0 <= less.high:
            return None
        return less.low > 0


def split_tokens_per_watt(
    problem: FleetProblem,
    b_short: int,
    gpu_short: str,
    gpu_long: str,
    beside: Path | None = None,
    *,
    runs: Runs | None = None,
    progress: Callable[[str], None] | None = None,
) -> SplitEnergy:
    """Tokens per watt of two pools split at `b_short` tokens, beside fleets of one pool.

    runs: also simulate each fleet on the same arrivals. Raises InputError with every fault.
    """
    names = tuple(dict.fromkeys((gpu_short, gpu_long)))
    pools = max(2, problem.max_pools)
    stated = problem.model_copy(
        update={"gpus": names, "thresholds": (b_short,), "max_pools": pools}
    )
    contexts = Contexts.of(stated, beside)
    check_power(contexts.whole.profiles)
    fleets = _fleets(contexts.whole, b_short, gpu_short, gpu_long)
    published: list[FleetEnergy | None] = [None] * len(fleets)
    if contexts.published is not None:
        published = [*_fleets(contexts.published, b_short, gpu_short, gpu_long)]
    simulated: list[SimulatedEnergy | None] = [None] * len(fleets)
    if runs is not None:
        simulated = [*simulated_energy(contexts.whole, fleets, runs, progress)]
    return SplitEnergy(
        problem=contexts.whole.problem,
        b_short=b_short,
        topologies=tuple(
            Topology(*each) for each in zip(fleets, published, simulated, strict=True)
        ),
        context_tokens=contexts.whole.breakpoints[-1],
        published_context_tokens=contexts.published_context,
        cut_requests=contexts.cut_requests,
        cut_tokens=contexts.cut_tokens,
    )


def _fleets(case: Case, b_short: int, gpu_short: str, gpu_long: str) -> list[FleetEnergy]:
    if b_short not in case.breakpoints:
        text = f"no requests on one side of {b_short:,} tokens"
        raise InputError.single("thresholds[0]", text)
    below = pool_energy(case, Served(0, b_short), case.profile(gpu_short))
    above = pool_energy(case, Served(b_short, case.breakpoints[-1]), case.profile(gpu_long))
    whole = [one_pool(case, gpu) for gpu in dict.fromkeys((gpu_long, gpu_short))]
    return [FleetEnergy(f"{gpu_short} + {gpu_long}", (below, above)), *whole]
