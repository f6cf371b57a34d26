"""What the tables predict of a fleet."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.plan.fleet import CLOSED, HOURS_PER_YEAR
from fleetopt.problem import FleetProblem


@dataclass(frozen=True)
class BoundPrediction:
    """One SLO bound as the table sees it.

    metric, percentile, limit_ms: the bound.
    value_ms: the predicted percentile; null if the method does not predict it.
    miss_probability: share of requests beyond the limit.
    """

    metric: str
    percentile: float
    limit_ms: float
    value_ms: float | None
    miss_probability: float
    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class PoolPrediction:
    """What the feasibility table says of one pool.

    utilization: offered work over the work rate with every slot busy.
    p99_ttft_ms, p99_tpot_ms, p99_e2e_ms: predicted percentiles; null if not predicted.
    method: "occupancy" (state-dependent Erlang-C), "two-class chain" (slow environment),
        "slot wait" (full batches, which only simulation can tell) or "published".
    grey: the table alone would refuse the row; simulation decided.
    binds: what stops the pool from having one replica fewer.
    bounds: every bound of the SLO.
    enough_up: share of the time that at least `replicas` of the pool's replicas are up, where
        whole nodes fail; null where none do.
    """

    utilization: float
    p99_ttft_ms: float | None
    p99_tpot_ms: float | None
    p99_e2e_ms: float | None
    method: str
    grey: bool
    binds: str
    bounds: tuple[BoundPrediction, ...]
    enough_up: float | None = None
    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class EnergyPrediction:
    """What a fleet draws at the occupancy of its tables, and what a year of it comes to.

    mean_kw: of the GPUs of all replicas that are bought. pue: what the site draws for each watt.
    kwh_per_year: of the site. joules_per_output_token: of the site.
    usd_per_million_output_tokens: GPUs, and electricity where its price is stated.
    electricity_usd_per_year, co2_kg_per_year: null where price or intensity is not stated.
    quality: the worst of the power curves: "HIGH", "FAIR" or "LOW".
    """

    mean_kw: float
    pue: float
    kwh_per_year: float
    joules_per_output_token: float
    usd_per_million_output_tokens: float
    electricity_usd_per_year: float | None
    co2_kg_per_year: float | None
    quality: str
    __pydantic_config__ = CLOSED

    @classmethod
    def of(
        cls,
        problem: FleetProblem,
        mean_kw: float,
        tokens_per_s: float,
        usd_per_hour: float,
        quality: str,
    ) -> EnergyPrediction:
        """A year of a fleet, with the prices that a problem states; usd_per_hour: of its GPUs."""
        price, grams = problem.electricity_usd_per_kwh, problem.carbon_g_per_kwh
        site_kw = problem.pue * mean_kw
        kwh = HOURS_PER_YEAR * site_kw
        paid = usd_per_hour + site_kw * (price or 0.0)
        return cls(
            mean_kw=mean_kw,
            pue=problem.pue,
            kwh_per_year=kwh,
            joules_per_output_token=1000.0 * site_kw / tokens_per_s,
            usd_per_million_output_tokens=1e6 * paid / (3600.0 * tokens_per_s),
            electricity_usd_per_year=None if price is None else price * kwh,
            co2_kg_per_year=None if grams is None else grams * kwh / 1000.0,
            quality=quality,
        )


@dataclass(frozen=True)
class Prediction:
    """The table's predictions, pool by pool.

    attained: share of all requests within each bound, in the order of the SLO.
    energy: null where a profile has no power curve, or the method knows no occupancy.
    """

    pools: tuple[PoolPrediction, ...]
    attained: tuple[float, ...] = ()
    energy: EnergyPrediction | None = None
    __pydantic_config__ = CLOSED
