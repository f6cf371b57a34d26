"""How many sequences replicas of the same pools run at once, on many profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats, Ints


class Batches:
    """What limits the batch of a replica of each pool, told once for each of their ends.

    capacity: that of a profile up to a total length, in tokens.
    ends: longest total lengths of the pools, in tokens. end_of: which of them is each pool's.
    """

    def __init__(
        self, capacity: Callable[[ReplicaProfile, int], Capacity], pools: Sequence[Served]
    ) -> None:
        self._capacity = capacity
        self._told: dict[str, tuple[Capacity, ...]] = {}
        self.ends = sorted({what.hi_tokens for what in pools})
        his = [what.hi_tokens for what in pools]
        self.end_of: Ints = np.searchsorted(self.ends, his).astype(np.int64)

    def of(self, profile: ReplicaProfile) -> tuple[Capacity, ...]:
        """The batches of a replica, one for each end."""
        if profile.name not in self._told:
            self._told[profile.name] = tuple(self._capacity(profile, t) for t in self.ends)
        return self._told[profile.name]

    def most(self, profiles: Sequence[ReplicaProfile], context: Floats) -> Floats:
        """Most sequences at once of each pool (columns) on each profile; 0 where none has room.

        context: mean tokens of a sequence, by pool.
        """
        batches = [self.of(profile) for profile in profiles]
        slots = np.array([[c.slots for c in row] for row in batches], dtype=np.float64)
        held = np.array([[c.kv_blocks * c.block_tokens for c in row] for row in batches])
        slots, tokens = slots[:, self.end_of], held[:, self.end_of]
        paged = np.maximum(1.0, np.minimum(slots, tokens / context))
        most: Floats = np.where((tokens > 0) & (slots >= 1), paged, slots)
        return most
