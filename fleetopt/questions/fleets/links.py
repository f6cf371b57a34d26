"""What simulations say of the links between prefill and decode."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleetopt.plan import Interval
from fleetopt.simulation.fleet_results import PERCENTILES
from fleetopt.simulation.fleet_run import FleetRun
from fleetopt.simulation.link_runs import LinkRun
from fleetopt.simulation.statistics import mean_interval, percentile_interval


@dataclass(frozen=True)
class LinkFigures:
    """A link, over all runs.

    lines: 1 if it is shared, else one for each replica of the source. busy: share of the time
    that they send. transfer_ms: by percentile, from the end of prefill to the landing of the
    KV, the wait for the line included. sent_gb, lost_gb: KV that arrived, and that was lost
    with the replica that was to send it, in 1e9 bytes.
    """

    source: str
    target: str
    lines: int
    busy: Interval
    transfers: int
    transfer_ms: Mapping[str, Interval]
    sent_gb: float
    lost_gb: float


def link_figures(runs: Sequence[FleetRun]) -> tuple[LinkFigures, ...]:
    """The links of a fleet, in their order."""
    return tuple(_figures(parts) for parts in zip(*(run.links for run in runs), strict=True))


def _figures(parts: Sequence[LinkRun]) -> LinkFigures:
    carried = [part for part in parts if part.completed]
    busy = mean_interval([part.busy for part in parts])
    return LinkFigures(
        parts[0].source,
        parts[0].target,
        parts[0].lines,
        _interval(busy.estimate, busy.low, busy.high),
        sum(part.transfers for part in parts),
        {f"p{p:g}": _transfer_ms(carried, p) for p in PERCENTILES if carried},
        sum(part.sent_bytes for part in parts) / 1e9,
        sum(part.lost_bytes for part in parts) / 1e9,
    )


def _transfer_ms(parts: Sequence[LinkRun], percentile: float) -> Interval:
    found = percentile_interval(
        [part.quantiles_s for part in parts], [part.completed for part in parts], percentile
    )
    return _interval(*(1000.0 * x for x in (found.estimate, found.low, found.high)))


def _interval(estimate: float, low: float, high: float) -> Interval:
    """An interval from 0 on; without ends where there is a single run."""
    if not math.isfinite(high - low):
        return Interval(estimate, None, None)
    return Interval(estimate, max(0.0, low), high)
