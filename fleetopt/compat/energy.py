"""Tokens per watt and power caps under their published names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fleetopt.case import Case
from fleetopt.compat.profiles import ManualProfile
from fleetopt.compat.workload import Cdf, lengths_of
from fleetopt.problem import FleetProblem, validate
from fleetopt.questions.energy.grid import GridLevel, grid_flex
from fleetopt.questions.energy.pools import FleetEnergy, PoolEnergy, check_power, pool_energy
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.energy.tokens_per_watt import everything, tokens_per_watt

Method = Literal["fleetopt", "published"]
_REPLICATIONS = 5


@dataclass(frozen=True)
class GridFlexPoint:
    """One depth of a power cap.

    power_per_gpu_w, power_fleet_kw: with batches at the cap, as published.
    drawn_fleet_kw: at the occupancy that the fleet really has.
    p99_ttft_ms: by the table, infinite if the fleet cannot keep up. p99_ttft_des_ms: simulated;
    infinite if it is unstable, None if it was not asked for.
    """

    flex_pct: float
    n_max_cap: int
    power_per_gpu_w: float
    power_fleet_kw: float
    p99_ttft_ms: float
    p99_ttft_des_ms: float | None
    slo_met: bool | None
    power_model: str
    drawn_fleet_kw: float


@dataclass(frozen=True)
class TpwPoint:
    """One pool of a GPU type; slo_optimal: the fewest GPUs that keep the SLO."""

    gpu_name: str
    n_gpus: int
    rho: float
    n_active: float
    power_per_gpu_w: float
    tokens_per_watt: float
    cost_per_mil: float
    p99_ttft_ms: float
    power_model_qual: str
    slo_optimal: bool


@dataclass(frozen=True)
class FleetTpwResult:
    """Several pools together; fleet_cost_per_mil: USD for a million output tokens."""

    topology: str
    pools: list[dict[str, Any]]
    fleet_tpw: float
    fleet_cost_per_mil: float
    fleet_power_kw: float
    total_gpus: int
    worst_p99_ms: float
    power_model_notes: list[str]


def grid_flex_analysis(
    cdf: Cdf,
    lam: float,
    n_gpus: int,
    gpu: ManualProfile,
    t_slo_ms: float,
    max_ctx: int = 8192,
    flex_pcts: Sequence[float] | None = None,
    n_sim_requests: int = 0,
    verbose: bool = False,
    *,
    method: Method = "fleetopt",
) -> list[GridFlexPoint]:
    """What becomes of a fleet whose batches are capped to shed power, at each depth.

    flex_pcts: in percent of the nominal draw; 0 to 50 % if absent. n_sim_requests: measured
    requests of a replication; 0 leaves simulation out. verbose: print the table.
    method: "published" gives the figures of the published formulas. Raises InputError.
    """
    problem = _problem(cdf, lam, [gpu], t_slo_ms, max_ctx, method)
    runs = Runs(n_sim_requests, _REPLICATIONS) if n_sim_requests else None
    found = grid_flex(problem, n_gpus, flex_pcts, runs=runs)
    points = [_grid_point(level, found.power.quality) for level in found.levels]
    if verbose:
        print_grid_flex_table(points, t_slo_ms, n_gpus, lam)
    return points


def tpw_analysis(
    cdf: Cdf,
    lam: float,
    gpus: Sequence[ManualProfile],
    t_slo_ms: float = 500.0,
    max_ctx: int = 8192,
    rho_sweep: Iterable[float] | None = None,
    *,
    method: Method = "fleetopt",
) -> list[TpwPoint]:
    """Tokens per watt of one pool of each GPU type, all lengths cut to `max_ctx`.

    rho_sweep: utilizations at which to size pools as well. method: as in
    `grid_flex_analysis`. Raises InputError.
    """
    problem = _problem(cdf, lam, gpus, t_slo_ms, max_ctx, method)
    found = tokens_per_watt(problem, sweep=tuple(rho_sweep or ()))
    points = []
    for gpu, energy in zip(gpus, found.gpus, strict=True):
        points.append(_tpw_point(gpu.name, energy.fleet, optimal=True))
        points += [_tpw_point(gpu.name, p.fleet, optimal=False) for p in energy.sweep]
    return points


def fleet_tpw_analysis(
    pools: Sequence[Mapping[str, Any]],
    lam_total: float,
    t_slo_ms: float = 500.0,
    topology: str = "",
    *,
    method: Method = "fleetopt",
) -> FleetTpwResult:
    """Tokens per watt of several pools together.

    pools: each with gpu, cdf, lam, max_ctx and label; lam: requests per second of the pool.
    lam_total: of the fleet; the pools' own count. method: as in `grid_flex_analysis`.
    Raises InputError.
    """
    seen = [_pool(pool, t_slo_ms, method) for pool in pools]
    fleet = FleetEnergy(topology, tuple(energy for energy, _ in seen))
    return FleetTpwResult(
        topology=topology,
        pools=[said for _, said in seen],
        fleet_tpw=fleet.tokens_per_watt,
        fleet_cost_per_mil=fleet.usd_per_million_tokens,
        fleet_power_kw=fleet.kilowatts,
        total_gpus=fleet.gpus,
        worst_p99_ms=fleet.worst_p99_ttft_ms,
        power_model_notes=list(dict.fromkeys(_note(pool) for pool in fleet.pools)),
    )


def print_grid_flex_table(
    results: Sequence[GridFlexPoint], t_slo_ms: float, n_gpus: int, lam: float
) -> None:
    """Write the depths to standard output."""
    print("\n".join(_grid_lines(results, t_slo_ms, n_gpus, lam)))


def print_tpw_table(points: Sequence[TpwPoint]) -> None:
    """Write the pools to standard output."""
    print(f"{'GPU':<12}{'GPUs':>6}{'rho':>7}{'batch':>8}{'W/GPU':>8}{'tok/W':>8}{'$/Mtok':>8}"
          f"{'P99 ms':>9}  power")  # fmt: skip
    for point in points:
        mark = "" if point.slo_optimal else " (sweep)"
        print(
            f"{point.gpu_name:<12}{point.n_gpus:>6}{point.rho:>7.2f}{point.n_active:>8.1f}"
            f"{point.power_per_gpu_w:>8.0f}{point.tokens_per_watt:>8.2f}{point.cost_per_mil:>8.2f}"
            f"{point.p99_ttft_ms:>9.1f}  {point.power_model_qual}{mark}"
        )


def print_fleet_tpw(result: FleetTpwResult) -> None:
    """Write a fleet and its pools to standard output."""
    drawn = f"{result.fleet_power_kw:.2f} kW, {result.total_gpus} GPUs"
    price = f"${result.fleet_cost_per_mil:.2f}/Mtok"
    print(f"{result.topology or 'fleet'}: {result.fleet_tpw:.2f} tok/W, {drawn}, {price}")
    print(f"  worst P99 TTFT {result.worst_p99_ms:.1f} ms")
    for pool in result.pools:
        drawn = f"{pool['tokens_per_watt']:.2f} tok/W, {pool['power_per_gpu_w']:.0f} W/GPU"
        print(f"  {pool['label']}: {pool['n_gpus']} {pool['gpu_name']}, {drawn}")
    for note in result.power_model_notes:
        print(f"  note: {note}")


def _grid_lines(
    results: Sequence[GridFlexPoint], t_slo_ms: float, n_gpus: int, lam: float
) -> Iterator[str]:
    yield f"{n_gpus} GPUs, {lam:g} req/s, P99 TTFT within {t_slo_ms:g} ms"
    yield (f"{'flex %':>7}{'n_max':>7}{'W/GPU':>8}{'kW':>8}{'really kW':>11}{'P99 ms':>9}"
           f"{'DES ms':>9}  SLO")  # fmt: skip
    words = {True: "met", False: "breach", None: "open"}
    for point in results:
        simulated = "-" if point.p99_ttft_des_ms is None else f"{point.p99_ttft_des_ms:.1f}"
        yield (
            f"{point.flex_pct:>7g}{point.n_max_cap:>7}{point.power_per_gpu_w:>8.0f}"
            f"{point.power_fleet_kw:>8.1f}{point.drawn_fleet_kw:>11.2f}{point.p99_ttft_ms:>9.1f}"
            f"{simulated:>9}  {words[point.slo_met]}"
        )


def _grid_point(level: GridLevel, quality: str) -> GridFlexPoint:
    simulated = None
    if level.simulated is not None:
        estimate = level.simulated.p99_ttft_ms.estimate
        simulated = math.inf if estimate is None else estimate
    return GridFlexPoint(
        flex_pct=level.flex_pct,
        n_max_cap=level.n_max,
        power_per_gpu_w=level.w_per_gpu,
        power_fleet_kw=level.fleet_kw,
        p99_ttft_ms=level.p99_ttft_ms,
        p99_ttft_des_ms=simulated,
        slo_met=level.slo_met,
        power_model=quality,
        drawn_fleet_kw=level.drawn_kw,
    )


def _tpw_point(name: str, fleet: FleetEnergy, *, optimal: bool) -> TpwPoint:
    (pool,) = fleet.pools
    return TpwPoint(
        gpu_name=name,
        n_gpus=pool.gpus,
        rho=pool.utilization,
        n_active=pool.batch,
        power_per_gpu_w=pool.watts,
        tokens_per_watt=fleet.tokens_per_watt,
        cost_per_mil=fleet.usd_per_million_tokens,
        p99_ttft_ms=pool.p99_ttft_ms,
        power_model_qual=pool.power_quality,
        slo_optimal=optimal,
    )


def _pool(
    pool: Mapping[str, Any], t_slo_ms: float, method: Method
) -> tuple[PoolEnergy, dict[str, Any]]:
    """A pool and what the published result says of it."""
    gpu: ManualProfile = pool["gpu"]
    case = Case.of(_problem(pool["cdf"], pool["lam"], [gpu], t_slo_ms, pool["max_ctx"], method))
    check_power(case.profiles)
    energy = pool_energy(case, everything(case), case.profiles[0])
    alone = FleetEnergy(gpu.name, (energy,))
    said = vars(_tpw_point(gpu.name, alone, optimal=True))
    return energy, {"label": pool.get("label", gpu.name), "lam": pool["lam"], **said}


def _note(pool: PoolEnergy) -> str:
    source = f" ({pool.power_source})" if pool.power_source else ""
    return f"{pool.gpu}: power model of {pool.power_quality} quality{source}"


def _problem(
    cdf: Cdf,
    lam: float,
    gpus: Sequence[ManualProfile],
    t_slo_ms: float,
    max_ctx: int,
    method: Method,
) -> FleetProblem:
    """What is asked, as a problem. Raises InputError with every fault."""
    stated = {
        "cdf": lengths_of(cdf),
        "arrival_rate": lam,
        "slo": [{"metric": "ttft", "percentile": 99.0, "limit_ms": t_slo_ms}],
        "gpus": [gpu.spec.name for gpu in gpus],
        "profiles": [gpu.spec for gpu in gpus],
        "max_context": max_ctx,
        "overlong": "clip",
        "method": method,
    }
    return validate(FleetProblem, stated, "")
