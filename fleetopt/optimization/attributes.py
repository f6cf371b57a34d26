"""What a user's constraints may see of each pool, beyond what the program itself needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyomo.core as pyo
from pyomo.core.expr import LinearExpression

from fleetopt.errors import InputError
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.queueing.latency import Metric
from fleetopt.queueing.table import PoolTable

TableOf = Callable[[Candidate], PoolTable]


class Percentiles(Mapping[int, Any]):
    """P99 of one latency metric of every pool, in milliseconds; 0 if it is not built.

    An expression of z for each candidate. Rows are evaluated when their candidate is first
    asked for: all of a default problem take some seconds.
    """

    def __init__(self, model: pyo.ConcreteModel, table_of: TableOf, metric: Metric) -> None:
        self._model = model
        self._table_of = table_of
        self._metric = metric
        self._seen: dict[int, Any] = {}

    def __getitem__(self, c: int) -> Any:
        if c not in self._seen:
            self._seen[c] = self._expression(self._model.candidate[c])
        return self._seen[c]

    def __iter__(self) -> Iterator[int]:
        return iter(self._model.candidates)

    def __len__(self) -> int:
        return len(self._model.candidates)

    def _expression(self, candidate: Candidate) -> Any:
        table = self._table_of(candidate)
        values = [self._value_ms(table, row) for row in candidate.rows]
        built = [self._model.z[index] for index in self._model.rows_of[candidate.index]]
        return LinearExpression(linear_coefs=values, linear_vars=built)

    def _value_ms(self, table: PoolTable, row: Row) -> float:
        value = table.row(row.replicas).percentile_s(self._metric, 99.0)
        if value is None:
            raise InputError.single(
                f"p99_{self._metric}", "the published method does not predict it"
            )
        return 1000.0 * value


def attach(model: pyo.ConcreteModel, table_of: TableOf, arrival_rate: float) -> None:
    """Add what a pool has to the model: GPUs, power, share of requests and percentiles.

    arrival_rate: requests per second of all pools.
    """
    model.pool_gpus = _of_pools(model, lambda c, row: float(c.gpus(row)))
    model.share = _of_pools(model, lambda c, row: c.arrival_rate / arrival_rate)
    if model.component("power") is not None:
        model.pool_power = _of_pools(model, lambda c, row: c.kilowatts(row))
    model.p99_ttft = Percentiles(model, table_of, "ttft")
    model.p99_tpot = Percentiles(model, table_of, "tpot")
    model.p99_e2e = Percentiles(model, table_of, "e2e")


def _of_pools(model: pyo.ConcreteModel, weight: Callable[[Candidate, Row], float]) -> Any:
    def rule(model: pyo.ConcreteModel, c: int) -> LinearExpression:
        candidate, indices = model.candidate[c], model.rows_of[c]
        weights = [weight(candidate, row) for row in candidate.rows]
        built = [model.z[index] for index in indices]
        return LinearExpression(linear_coefs=weights, linear_vars=built)

    return pyo.Expression(model.candidates, rule=rule)
