"""What a fleet of the program draws, emits and pays for electricity in a year, by the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleetopt.case import Case
from fleetopt.optimization.design import Chosen, Design, maker
from fleetopt.optimization.goals import pool_kilowatts
from fleetopt.performance.power import known_as
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.plan import EnergyPrediction
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Served

_QUALITIES = ("LOW", "FAIR", "HIGH")


def energy_of(design: Design, chosen: Sequence[Chosen]) -> EnergyPrediction | None:
    """The energy of a fleet; None where a profile has no power, or the table no occupancy."""
    tables = [design.table(candidate) for candidate, _ in chosen]
    curves = [table.profile.power for table in tables]
    known = [curve for curve in curves if curve is not None]
    if len(known) < len(curves) or not all(isinstance(t, OccupancyTable) for t in tables):
        return None
    case, problem = design.case, design.case.problem
    drawn = sum(
        pool_kilowatts(table, row.bought) for table, (_, row) in zip(tables, chosen, strict=True)
    )
    tokens_per_s = case.arrival_rate * float(case.lengths.weights @ case.lengths.output_tokens)
    quality = min((curve.quality for curve in known), key=_QUALITIES.index)
    return EnergyPrediction.of(problem, drawn, tokens_per_s, design.usd_per_hour(chosen), quality)


def power_notes(design: Design, chosen: Sequence[Chosen]) -> Iterator[str]:
    """What power caps cost, and how well the power of a fleet's profiles is known.

    Of the latter nothing where the problem states nothing about power.
    """
    case = design.case
    tables = [design.table(candidate) for candidate, _ in chosen]
    for i, (table, (candidate, row)) in enumerate(zip(tables, chosen, strict=True), start=1):
        free = case.without_cap(table.profile)
        if free is not None and candidate.phase is None:
            yield f"pool-{i}: {_slowdown(design, table, free, row.replicas)}"
    if _asks_for_power(case):
        yield from known_powers(case, (table.profile for table in tables))


def known_powers(case: Case, profiles: Iterable[ReplicaProfile]) -> Iterator[str]:
    """How well the power of profiles is known, with a cap or without."""
    curves = (((case.without_cap(profile) or profile).name, profile.power) for profile in profiles)
    return known_as((name, curve.quality, curve.source) for name, curve in curves if curve)


def _slowdown(design: Design, table: PoolTable, free: ReplicaProfile, replicas: int) -> str:
    """What a full replica under a cap serves of what it serves without."""
    share = design.case.problem.compressible_share
    what = Served(table.lo_tokens, table.hi_tokens, *table.gammas, share)
    other = maker(design.case, free)(what, table.arrival_rate)
    kept = other.utilization(replicas) / table.utilization(replicas)
    return (
        f"the cap of {table.profile.name} allows {table.slots} sequences a replica in place of "
        f"{other.slots}; with all of them it serves {100.0 * kept:.0f} % of what it serves without "
        "the cap, and an iteration of the same batch takes as long"
    )


def _asks_for_power(case: Case) -> bool:
    problem = case.problem
    prices = (problem.electricity_usd_per_kwh, problem.carbon_g_per_kwh, problem.power_kw)
    capped = any(case.without_cap(profile) is not None for profile in case.profiles)
    return bool(problem.draw_keys) or capped or any(price is not None for price in prices)
