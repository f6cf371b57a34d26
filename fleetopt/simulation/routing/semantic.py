"""Routing by what a classifier takes a request to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.errors import Fault, InputError
from fleetopt.simulation.fleet_model import FleetPool, Traffic, pool_index
from fleetopt.simulation.records import Ints
from fleetopt.simulation.routing.router import Routing

Classifier = Callable[[Traffic, np.random.Generator], Ints]
"""Gives the class of each request as an index into the router's pools."""


@dataclass(frozen=True, slots=True)
class Semantic:
    """Each request to the pool of the class that a classifier finds for it.

    pools: the pool of each class, by name; classes are the traffic's categories, in order.
    confusion: probability of each found class (column) for each true class (row); empty
        finds the true one.
    classifier: a function instead of the matrix.
    latency_s: what the classifier adds to each request.
    """

    pools: tuple[str, ...]
    confusion: tuple[tuple[float, ...], ...] = ()
    classifier: Classifier | None = None
    latency_s: float = 0.0

    @property
    def name(self) -> str:
        """What reports call it."""
        return "semantic"

    def route(
        self,
        traffic: Traffic,
        known_tokens: Ints,
        pools: Sequence[FleetPool],
        rng: np.random.Generator,
    ) -> Routing:
        """Raises InputError for classes without pools, or a matrix that is not stochastic."""
        found = self._classes(traffic, rng)
        if found.size and not (found.min() >= 0 and found.max() < len(self.pools)):
            expected = f"classes 0 to {len(self.pools) - 1} are expected, one for each pool"
            raise InputError.single("semantic router", expected)
        members = [pool_index(pools, name, "semantic router") for name in self.pools]
        delay_s = np.full(len(traffic), self.latency_s) if self.latency_s else None
        return Routing(np.array(members)[found], delay_s)

    def _classes(self, traffic: Traffic, rng: np.random.Generator) -> Ints:
        if self.classifier is not None:
            return self.classifier(traffic, rng)
        if traffic.category is None:
            place = "semantic router"
            raise InputError.single(place, "requests that state their category are expected")
        if not self.confusion:
            return traffic.category
        faults = self._confusion_faults(len(traffic.category_names))
        if faults:
            raise InputError(faults)
        edges = np.cumsum(self.confusion, axis=1)[:, :-1]
        drawn = rng.random(len(traffic))
        found = np.zeros(len(traffic), dtype=np.int64)
        for code in range(len(self.confusion)):
            mine = traffic.category == code
            found[mine] = np.searchsorted(edges[code], drawn[mine], side="right")
        return found

    def _confusion_faults(self, categories: int) -> list[Fault]:
        """What is wrong with the matrix: its shape, or rows that are no probabilities."""
        if len(self.confusion) < categories:
            said = f"a row for each of {categories} categories is expected"
            return [Fault("confusion matrix", said, f"got {len(self.confusion)}")]
        faults = []
        for row, shares in enumerate(self.confusion, 1):
            place = f"confusion matrix: row {row}"
            if len(shares) != len(self.pools):
                faults.append(Fault(place, f"{len(self.pools)} shares are expected"))
            elif min(shares) < 0 or abs(sum(shares) - 1.0) > 1e-9:
                faults.append(Fault(place, "shares that sum to 1", f"got {sum(shares):g}"))
        return faults
