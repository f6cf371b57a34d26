"""Which rows are saturated, by what was measured alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetopt.catalog.measurements import Measurement

CLIFF = 2.0
"""TTFT that grows more than this many times faster than the clients means waiting for slots."""
CLIFF_LEAST_S, LONG_S = 3.0, 10.0
"""Seconds of TTFT below which a cliff is none, and above which any row is saturated."""
SERVES_MORE = 0.5
"""Growth of the rate of requests over that of the clients, above which no slot was missing."""


def saturated(rows: Sequence[Measurement]) -> NDArray[np.bool_]:
    """Which rows queue for slots.

    Prompts that wait for one another make TTFT grow in proportion to the clients at most. A row
    is saturated if its TTFT grew CLIFF times faster since the next lower concurrency of its
    configuration that was not, to at least 3 s; or if it is above 10 s. It is not if the next
    higher concurrency serves more requests in a second: a full replica serves no more.
    """
    ladders: dict[tuple[object, ...], dict[float, list[int]]] = defaultdict(dict)
    for i, row in enumerate(rows):
        ladders[row.configuration].setdefault(row.concurrency, []).append(i)
    found = np.zeros(len(rows), dtype=bool)
    for ladder in ladders.values():
        rungs = [Rung.of(clients, [rows[i] for i in ladder[clients]]) for clients in sorted(ladder)]
        before: Rung | None = None
        for rung, after in zip(rungs, [*rungs[1:], None], strict=True):
            if rung.is_steep(before) and not (after and after.serves_more(rung)):
                found[ladder[rung.clients]] = True
            else:
                before = rung
    return found


@dataclass(frozen=True, slots=True)
class Rung:
    """Runs of a configuration with the same clients: medians, in seconds."""

    clients: float
    ttft_s: float
    e2e_s: float

    @classmethod
    def of(cls, clients: float, rows: Sequence[Measurement]) -> Rung:
        """Medians of some rows."""
        ttft_s, e2e_s = ([row.ttft_s for row in rows], [row.e2e_s for row in rows])
        return cls(clients, float(np.median(ttft_s)), float(np.median(e2e_s)))

    def is_steep(self, before: Rung | None) -> bool:
        """Whether its TTFT is long, or grew faster than the clients."""
        if before is None or self.ttft_s > LONG_S:
            return self.ttft_s > LONG_S
        proportional = before.ttft_s * self.clients / before.clients
        return self.ttft_s > max(CLIFF * proportional, CLIFF_LEAST_S)

    def serves_more(self, fewer: Rung) -> bool:
        """Whether the rate of requests grew by more than SERVES_MORE of the clients' growth."""
        clients = self.clients / fewer.clients
        return clients * fewer.e2e_s / self.e2e_s - 1.0 > SERVES_MORE * (clients - 1.0)
