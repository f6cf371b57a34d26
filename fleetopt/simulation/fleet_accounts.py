"""The accounts of the fleet's plain twin: times, tokens and series of a run in progress."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fleetopt.simulation.fleet_layout import REPLICA_TOTALS
from fleetopt.simulation.fleet_lines import lines_of
from fleetopt.simulation.fleet_links import LINE_TOTALS
from fleetopt.simulation.fleet_records import (
    FleetRequests,
    FleetTrajectory,
    PoolEngine,
    Setting,
    Stop,
)
from fleetopt.simulation.fleet_replica import Replica, Request
from fleetopt.simulation.fleet_state import token_bin_edges_s
from fleetopt.simulation.records import Floats

_COLUMNS = {
    "arrival_s": "arrival_s",
    "admitted_s": "admitted_s",
    "prefill_end_s": "prefill_end_s",
    "end_s": "end_s",
    "pool": "pool",
    "replica": "replica",
    "served_tokens": "output_tokens",
    "hit_tokens": "hit_tokens",
    "preemptions": "preemptions",
    "restarts": "restarts",
    "status": "status",
    "client": "client",
}
_LINKED = ("landed_s", "entered", "handovers")
_SERIES = ("waiting", "active", "completed", "up", "saturated")


class Accounts:
    """A fleet in motion, and what a run adds up about it."""

    def __init__(
        self, pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting
    ) -> None:
        self.pools = pools
        self.setting = setting
        self.replicas = [Replica(p, i) for i, p in enumerate(pools) for _ in range(p.replicas)]
        columns = (column.tolist() for column in requests[:-1])
        self.requests = [Request(i, *row) for i, row in enumerate(zip(*columns, strict=True))]
        self.choices = requests.choices
        self.clients = [0.0] * setting.loop.clients
        self.open_s: list[float] = requests.arrival_s.tolist() if setting.loop.is_beside else []
        self.lines = lines_of(setting.links, [pool.replicas for pool in pools])
        self.held: list[list[Request]] = [[] for _ in pools]
        self.completed = [0] * len(pools)
        self.arrived = self.sent = self.fault = self.events = 0
        self.now = 0.0
        self.stop = Stop.ENDED
        self.occupancy_s = [np.zeros(p.engine.slots + 1) for p in pools]
        self.token_bins_s = token_bin_edges_s()
        self.tokens = np.zeros((len(pools), self.token_bins_s.size - 1), dtype=np.int64)
        self.rows: list[list[list[int]]] = []
        if self.clients:
            for request in self.requests:
                request.arrival_s = math.nan

    def members(self, pool: int) -> list[Replica]:
        """The replicas of a pool."""
        return [replica for replica in self.replicas if replica.pool == pool]

    def emptiest(self, pool: int) -> Replica:
        """The first of a pool's replicas with the fewest sequences."""
        return min(self.members(pool), key=lambda replica: replica.sequences)

    def pressure(self, pool: int) -> float:
        """Sequences of a pool over those that it should have; infinite if it is down."""
        up = [replica for replica in self.members(pool) if not replica.faults]
        sequences = sum(len(replica.batch) + len(replica.queue) for replica in up)
        wanted = len(up) * self.pools[pool].pressure_sequences
        return (sequences + len(self.held[pool])) / wanted if up else math.inf

    def book(self, replica: Replica, iterations: int) -> None:
        """Account for the epoch that ends now, after so many iterations."""
        self.book_tokens(replica, iterations)
        seconds = self.in_window(replica.epoch_s)
        if seconds <= 0.0:
            return
        replica.busy_s += seconds
        held = float(len(replica.batch))
        if replica.spec.engine.kv_blocks:
            first = replica.blocks_held()
            held = first + 0.5 * (replica.blocks_held(max(iterations - 1, 0)) - first)
        replica.kv_block_s += held * seconds
        self.occupancy_s[replica.pool][len(replica.batch)] += seconds

    def book_tokens(self, replica: Replica, iterations: int) -> None:
        """Count the epoch's output tokens by the mean time of its iterations."""
        window = self.setting.window
        decoding = sum(not s.is_prefilling for s in replica.batch)
        if iterations and window.warmup_s <= self.now < window.measure_end_s:
            mean_s = (self.now - replica.epoch_s) / iterations
            place = int(np.searchsorted(self.token_bins_s, mean_s, side="right")) - 1
            place = max(0, min(place, self.tokens.shape[1] - 1))
            self.tokens[replica.pool, place] += iterations * decoding

    def book_down_time(self, replica: Replica) -> None:
        """Account for the time that a replica was down."""
        replica.down_s += max(0.0, self.in_window(replica.down_since_s))

    def in_window(self, since_s: float) -> float:
        """Seconds from a time to now that lie in the window; negative if none do."""
        window = self.setting.window
        return min(self.now, window.measure_end_s) - max(since_s, window.warmup_s)

    def has_diverged(self, now: float) -> bool:
        """Read the series at the checkpoints that have passed; whether a backlog diverges."""
        marks: Floats = self.setting.checkpoint_s
        while len(self.rows) < marks.size and marks[len(self.rows)] <= now:
            self.rows.append([self.row(pool) for pool in range(len(self.pools))])
            if self.setting.limits.stop_early and self.is_hopeless(len(self.rows) - 1):
                return True
        return False

    def row(self, pool: int) -> list[int]:
        """Waiting, active, completed, up and saturated of a pool."""
        members = self.members(pool)
        waiting = sum(len(replica.queue) for replica in members) + len(self.held[pool])
        active = sum(len(replica.batch) for replica in members)
        up = sum(not replica.faults for replica in members)
        return [waiting, active, self.completed[pool], up, sum(bool(r.queue) for r in members)]

    def is_hopeless(self, mark: int) -> bool:
        """Whether a growing backlog could not drain in the time left even without arrivals."""
        if mark + 1 < self.setting.limits.least_marks:
            return False
        marks, half = self.setting.checkpoint_s, mark // 2
        for now, then in zip(self.rows[mark], self.rows[half], strict=True):
            served = now[2] - then[2]
            able = served * (self.setting.window.stop_s - marks[mark])
            tells = now[3] > 0 and served >= max(now[1], 1)
            if tells and now[0] > then[0] and now[0] * (marks[mark] - marks[half]) > able:
                return True
        return False

    def trajectory(self) -> FleetTrajectory:
        """What the run says."""
        columns: dict[str, Any] = {
            column: np.array([getattr(r, name) for r in self.requests])
            for column, name in _COLUMNS.items()
        }
        linked = self.requests if self.lines else []
        columns |= {name: np.array([getattr(r, name) for r in linked]) for name in _LINKED}
        sent = [tuple(getattr(line, name) for name in LINE_TOTALS) for line in self.lines]
        totals = [tuple(getattr(r, name) for name in REPLICA_TOTALS) for r in self.replicas]
        kinds = [(name, "i8" if i > 4 else "f8") for i, name in enumerate(REPLICA_TOTALS)]
        size = self.setting.checkpoint_s.size
        series = np.zeros((size, len(self.pools), len(_SERIES)), dtype=np.int64)
        series[: len(self.rows)] = np.array(self.rows).reshape(-1, *series.shape[1:])
        columns |= dict(zip(_SERIES, np.moveaxis(series, 2, 0), strict=True))
        return FleetTrajectory(
            **columns,
            replicas=np.array(totals, dtype=kinds),
            lines=np.array(
                sent, dtype=list(zip(LINE_TOTALS, ("f8", "i8", "i8", "i8"), strict=True))
            ),
            occupancy_s=tuple(self.occupancy_s),
            tokens=self.tokens,
            stop=int(self.stop),
            stopped_s=self.now,
            events=self.events,
        )
