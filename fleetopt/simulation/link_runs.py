"""What the links of a fleet carried in one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fleetopt.simulation.fleet import FleetOutcome
from fleetopt.simulation.records import Floats
from fleetopt.simulation.statistics import PROBABILITIES


@dataclass(frozen=True, eq=False)
class LinkRun:
    """One link in one run.

    busy: share of the measured time that its lines send, on average. lines: 1 if it is shared.
    transfers, sent_bytes, lost_bytes: over the whole run; lost with the replica that was to send.
    completed: measured requests that it carried and that ended.
    quantiles_s: of these from the end of prefill to the landing, at statistics.PROBABILITIES.
    """

    source: str
    target: str
    lines: int
    busy: float
    transfers: int
    sent_bytes: float
    lost_bytes: float
    completed: int
    quantiles_s: Floats


def link_runs(outcome: FleetOutcome, measured: np.ndarray) -> Iterator[LinkRun]:
    """The links of a fleet, in order. measured: which requests count."""
    fleet, window, first = outcome.fleet, outcome.window, 0
    for link, plain in zip(fleet.links, outcome.setting.links, strict=True):
        size = fleet.pools[plain.source].replicas if plain.by_replica else 1
        lines = outcome.trajectory.lines[first : first + size]
        first += size
        mine = measured & ~np.isnan(outcome.column("end_s"))
        mine &= outcome.column("entered") == plain.source
        mine &= outcome.column("pool") == plain.target
        took_s = (outcome.column("landed_s") - outcome.column("prefill_end_s"))[mine]
        span_s = max(size * (window.measure_end_s - window.warmup_s), 1e-300)
        yield LinkRun(
            link.source,
            link.target,
            size,
            float(lines["busy_s"].sum()) / span_s,
            int(lines["transfers"].sum()),
            float(lines["sent_tokens"].sum()) * link.kv_bytes_per_token,
            float(lines["lost_tokens"].sum()) * link.kv_bytes_per_token,
            int(took_s.size),
            np.quantile(took_s, PROBABILITIES) if took_s.size else PROBABILITIES * np.nan,
        )
