"""`reproduce`: every published scenario computed again, and what is found to differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fleetopt.errors import Fault, InputError, near
from fleetopt.questions.reproduce import availability, energy, growth, phases, routers, two_pools
from fleetopt.questions.reproduce import findings_fleets as fleets
from fleetopt.questions.reproduce import findings_power as power
from fleetopt.questions.reproduce.bench import Bench, bench
from fleetopt.questions.reproduce.figure import Figure
from fleetopt.questions.reproduce.finding import Finding, Measure
from fleetopt.questions.reproduce.published import PublishedScenario, published_scenarios

Compute = Callable[[Bench, PublishedScenario], Iterator[Figure]]
Progress = Callable[[str, int, int], None]

SCENARIOS: Mapping[str, Compute] = {
    "gpu_prices": growth.prices,
    "puzzle_1_lmsys": two_pools.thresholds,
    "puzzle_1_azure": two_pools.thresholds,
    "puzzle_1_agent": two_pools.thresholds,
    "puzzle_2": two_pools.optimized,
    "puzzle_3": two_pools.optimized,
    "puzzle_4": growth.growth,
    "puzzle_5": routers.routers,
    "puzzle_5_azure": routers.routers,
    "puzzle_6_azure": two_pools.optimized,
    "puzzle_6_lmsys": two_pools.optimized,
    "puzzle_7": phases.phases,
    "puzzle_8": energy.shed,
    "puzzle_9_azure": energy.per_watt,
    "puzzle_9_lmsys": energy.per_watt,
    "puzzle_10": energy.split,
    "reliability": availability.reliability,
    "summary_cost_vs_homo": growth.at_a_glance,
}
"""How each published table is computed again."""
MEASURES: tuple[Measure, ...] = (
    fleets.sampled_lengths, fleets.missed_split, fleets.share_below, fleets.one_seed,
    fleets.compressed_work, fleets.two_gpu_minimum, fleets.slots_freed_early,
    power.prompt_left_out, power.exact_caps, power.half_the_batch, power.clipped_lengths,
)  # fmt: skip
"""What is known to differ, in the order of the puzzles."""


@dataclass(frozen=True)
class Reproduced:
    """One published table with its figures computed again."""

    scenario: PublishedScenario
    figures: tuple[Figure, ...]

    def count(self, verdict: str) -> int:
        """Figures with a verdict."""
        return sum(figure.verdict == verdict for figure in self.figures)


@dataclass(frozen=True)
class Reproduction:
    """All tables, and the findings behind what differs."""

    tables: tuple[Reproduced, ...]
    findings: tuple[Finding, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Of all tables."""
        return tuple(figure for table in self.tables for figure in table.figures)


def reproduce(
    scenarios: Sequence[str] | None = None, progress: Progress | None = None
) -> Reproduction:
    """Every published figure again: by the published method, the table and the simulator.

    scenarios: keys such as 'puzzle_4', all if absent; findings come only with all.
    progress: told what is being done, how many steps are done, and of how many.
    Raises InputError for an unknown key.
    """
    chosen = checked(scenarios)
    measures = MEASURES if scenarios is None else ()
    steps, published = len(chosen) + len(measures), published_scenarios()
    show = progress or (lambda *_: None)
    tables, found = [], []
    with bench(lambda _: None) as computing:
        for i, key in enumerate(chosen):
            show(key, i, steps)
            figures = tuple(SCENARIOS[key](computing, published[key]))
            tables.append(Reproduced(published[key], figures))
        for i, measure in enumerate(measures, start=len(chosen)):
            show(measure.__name__.replace("_", " "), i, steps)
            found.append(measure(computing))
    show("done", steps, steps)
    return Reproduction(tuple(tables), tuple(found))


def checked(scenarios: Sequence[str] | None) -> tuple[str, ...]:
    """The keys, in the order of the published guide. Raises InputError."""
    if scenarios is None:
        return tuple(SCENARIOS)
    faults = [
        Fault(f"scenario {key!r}", "is not published", near(key, SCENARIOS))
        for key in scenarios
        if key not in SCENARIOS
    ]
    if faults:
        raise InputError(faults)
    return tuple(key for key in SCENARIOS if key in scenarios)
