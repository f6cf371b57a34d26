"""What the tables predict of a choice, pool by pool."""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Chosen, Design
from fleetopt.plan import BoundPrediction, PoolPrediction, Prediction
from fleetopt.problem import Phase
from fleetopt.queueing.availability import SpareRule
from fleetopt.queueing.table import PoolTable
from fleetopt.queueing.table import Row as TableRow
from fleetopt.study.energy import energy_of
from fleetopt.verification import METRICS_OF


def predicted(design: Design, chosen: Sequence[Chosen]) -> Prediction:
    """The latencies of each pool, the attainment and the energy of a choice."""
    pools = [_prediction(design, chosen, i) for i in range(len(chosen))]
    return Prediction(tuple(pools), design.attained(chosen), energy_of(design, chosen))


def _prediction(design: Design, chosen: Sequence[Chosen], index: int) -> PoolPrediction:
    candidate, row = chosen[index]
    table = design.table(candidate)
    seen = table.row(row.replicas)
    return PoolPrediction(
        utilization=seen.utilization,
        p99_ttft_ms=_ms(seen.percentile_s("ttft", 99.0)),
        p99_tpot_ms=_ms(seen.percentile_s("tpot", 99.0)),
        p99_e2e_ms=_ms(seen.percentile_s("e2e", 99.0)),
        method=seen.method,
        grey=row.grey,
        binds=design.binding(chosen, index),
        bounds=tuple(_bounds(table, seen, candidate.phase)),
        enough_up=_enough_up(design.side.spares, candidate, row),
    )


def _enough_up(spares: SpareRule, candidate: Candidate, row: Row) -> float | None:
    """Share of the time that as many replicas as must be up are up; None where none fail."""
    if spares.availability == 1.0:
        return None
    return 1.0 - spares.short_share(row.replicas, row.bought, candidate.gpus_per_replica)


def _bounds(table: PoolTable, seen: TableRow, phase: Phase | None) -> list[BoundPrediction]:
    return [
        BoundPrediction(
            metric=bound.metric,
            percentile=bound.percentile,
            limit_ms=bound.limit_ms,
            value_ms=_ms(seen.percentile_s(bound.metric, bound.percentile)),
            miss_probability=seen.miss(bound),
        )
        for bound in table.limits.slo
        if bound.metric in METRICS_OF[phase]
    ]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000.0 * seconds
