"""Pool candidates: what the program may build, as plain data.

A candidate is an arc (t_i, t_j] of total lengths, with what is compressed at either end, a
replica profile and an admission rule; its rows are the numbers of replicas it may be built
with. It does both phases of its requests, or one of them beside a partner that a link joins to
it. Nothing here depends on how the rows were computed, so the program can be used with
data from any source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from fleetopt.optimization.tables import Offer
from fleetopt.performance.phase_links import without_share
from fleetopt.performance.power import prefilling_w, provisioned_w
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.problem import Phase
from fleetopt.queueing.availability import SpareRule
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Node, path_nodes

EXTRA_ROWS = 8
"""Rows above the least admissible number of replicas."""
STEP = 0.01
"""Relative step from one of these rows to the next, in pools of more than 100 replicas."""
NO_SPARES = SpareRule()
"""Every node is always up."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number of replicas that a candidate may be built with.

    replicas: those that must be up; tables and simulation are of them.
    grey: admissible only if simulation accepts it.
    spare: replicas bought beyond those, because some are down.
    misses: share of the pool's requests beyond each bound of the SLO; empty where each pool
        keeps the SLO by itself.
    drawn_kw: mean draw of all its GPUs at the occupancy of the table; None where nobody asks.
    """

    replicas: int
    grey: bool = False
    spare: int = 0
    misses: tuple[float, ...] = ()
    drawn_kw: float | None = None

    @classmethod
    def available(
        cls, replicas: int, spares: SpareRule, gpus_per_replica: int, *, grey: bool = False
    ) -> Row:
        """The row with as many spare replicas as a rule asks for."""
        return cls(replicas, grey, spares.to_buy(replicas, gpus_per_replica) - replicas)

    @property
    def bought(self) -> int:
        """Replicas that are paid for and powered."""
        return self.replicas + self.spare


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pool that the program may build.

    index: position among all candidates.
    start, end: positions of the arc's ends on a path, 0 <= start < end <= M.
    gpu, profile, admission: GPU type, name of the profile, admission rule.
    usd_per_hour: price of one replica-hour.
    arrival_rate: requests per second of the pool.
    rows: ascending in replicas.
    watts: draw of one replica with every slot busy; None if the profile does not tell.
    gamma_lo: own lengths up to this multiple of lo_tokens are compressed into the pool below.
    gamma_hi: lengths up to this multiple of hi_tokens are compressed into this pool.
    phase: the one that it does; None for both.
    link: name of the link to its partner, which does the other phase; empty for both phases.
    """

    index: int
    start: int
    end: int
    lo_tokens: int
    hi_tokens: int
    gpu: str
    profile: str
    admission: str
    usd_per_hour: float
    gpus_per_replica: int
    arrival_rate: float
    rows: tuple[Row, ...]
    watts: float | None = None
    gamma_lo: float = 1.0
    gamma_hi: float = 1.0
    phase: Phase | None = None
    link: str = ""

    @property
    def is_decode(self) -> bool:
        """Whether it decodes only: the second half of a pool that its partner begins."""
        return self.phase == "decode"

    @property
    def twin_key(self) -> Hashable:
        """Equal for candidates that are the same pool, and divide the bounds on E2E otherwise."""
        link = without_share(self.link)
        if link == self.link:
            return self.index
        return self.start, self.end, self.profile, self.phase, link

    def cost(self, row: Row) -> float:
        """USD per hour of the pool built with `row`."""
        return self.usd_per_hour * row.bought

    def gpus(self, row: Row) -> int:
        """GPUs of the pool built with `row`."""
        return self.gpus_per_replica * row.bought

    def kilowatts(self, row: Row) -> float:
        """Draw of the pool built with `row`, every slot busy; NaN if it is not known."""
        return math.nan if self.watts is None else self.watts * row.bought / 1000.0


def enumerate_candidates(
    tables: Iterable[PoolTable | Offer],
    breakpoints: Sequence[int],
    *,
    grey: bool = False,
    extra_rows: int = EXTRA_ROWS,
    min_replicas: int = 1,
    gammas: Sequence[float] = (1.0,),
    spares: SpareRule = NO_SPARES,
    rows_of: Callable[[PoolTable], tuple[Row, ...]] | None = None,
) -> tuple[Candidate, ...]:
    """One candidate for each table that has an admissible row, indexed in order.

    breakpoints: total lengths 0 = t_0 < ... < t_m, in tokens; arcs begin and end on them.
    grey: admit rows that simulation has yet to decide.
    extra_rows: rows above the least admissible number of replicas. Only that number is
        computed; latency falls with every replica, so the rows above it are admissible.
    min_replicas: rows with fewer replicas are left out.
    gammas: compression factors of the inner breakpoints; each is a position of its own.
    spares: how many spare replicas the rows have.
    rows_of: the rows of a table, in the place of those that keep the SLO by themselves.
    """
    position = {node: i for i, node in enumerate(path_nodes(breakpoints, gammas))}
    candidates: list[Candidate] = []
    for offer in (t if isinstance(t, Offer) else Offer(t) for t in tables):
        table = offer.table
        rows = (
            rows_of(table)
            if rows_of is not None
            else tuple(
                Row.available(n, spares, table.profile.gpus_per_replica, grey=doubted)
                for n, doubted in _numbers(table, grey, extra_rows, min_replicas)
            )
        )
        if rows:
            candidates.append(_candidate(len(candidates), offer, position, rows))
    return tuple(candidates)


def _numbers(
    table: PoolTable, grey: bool, extra_rows: int, min_replicas: int
) -> list[tuple[int, bool]]:
    """Numbers of replicas, ascending, and whether only simulation can admit each."""
    found = table.min_replicas(grey=grey)
    if found is None:
        return []
    least = max(found, min_replicas)
    proven = table.min_replicas() if grey else found
    if proven is None:
        return [(n, True) for n in (least, *rows_above(least, extra_rows))]
    proven = max(proven, least)
    doubted = _spread(range(least, proven), extra_rows + 1)
    sure = (proven, *rows_above(proven, extra_rows))
    return [*((n, True) for n in doubted), *((n, False) for n in sure)]


def rows_above(replicas: int, count: int) -> tuple[int, ...]:
    """Numbers of replicas above a given one, each by one or by 1 %, whichever is more."""
    numbers = []
    for _ in range(count):
        replicas = max(replicas + 1, math.ceil(replicas * (1.0 + STEP)))
        numbers.append(replicas)
    return tuple(numbers)


def rows_up_to(
    replicas: int, candidate: Candidate, spares: SpareRule = NO_SPARES, most: int = 32
) -> tuple[Row, ...]:
    """Rows, and at most so many above them up to a number of replicas, this one included."""
    rows, gpus = candidate.rows, candidate.gpus_per_replica
    above = reversed(_spread(range(replicas, rows[-1].replicas, -1), most))
    return (*rows, *(Row.available(n, spares, gpus) for n in above))


def count_pools(candidates: Iterable[Candidate]) -> int:
    """How many pools these are, two phases that are apart counted as one."""
    return sum(not candidate.is_decode for candidate in candidates)


def with_rows(candidate: Candidate, rows: Sequence[Row]) -> Candidate:
    """The candidate with further rows, where it has none of so many replicas."""
    known = {row.replicas for row in candidate.rows}
    new = [row for row in rows if row.replicas not in known]
    every = sorted([*candidate.rows, *new], key=lambda row: row.replicas)
    return replace(candidate, rows=tuple(every)) if new else candidate


def with_just(candidate: Candidate, rows: tuple[Row, ...]) -> Candidate:
    """The candidate with these rows alone."""
    return candidate if rows == candidate.rows else replace(candidate, rows=rows)


def _spread(numbers: range, most: int) -> range:
    """At most `most` of the numbers, evenly spaced from the first."""
    return numbers[:: max(1, -(-len(numbers) // most))]


def _candidate(
    index: int, offer: Offer, position: dict[Node, int], rows: tuple[Row, ...]
) -> Candidate:
    table = offer.table
    profile = table.profile
    gamma_lo, gamma_hi = table.gammas
    return Candidate(
        index=index,
        start=position[table.lo_tokens, gamma_lo],
        end=position[table.hi_tokens, gamma_hi],
        lo_tokens=table.lo_tokens,
        hi_tokens=table.hi_tokens,
        gpu=profile.gpu,
        profile=profile.name,
        admission=table.admission,
        usd_per_hour=profile.usd_per_hour,
        gpus_per_replica=profile.gpus_per_replica,
        arrival_rate=table.arrival_rate,
        rows=rows,
        watts=busy_watts(table.profile, offer.phase, table.slots),
        gamma_lo=gamma_lo,
        gamma_hi=gamma_hi,
        phase=offer.phase,
        link=offer.link,
    )


def busy_watts(profile: ReplicaProfile, phase: Phase | None, slots: int) -> float | None:
    """Draw of one replica with every slot busy; a chunk of a prompt counts as a full batch."""
    if profile.power is None:
        return None
    if phase == "prefill":
        return (
            prefilling_w(profile.power, profile.iteration.chunk_tokens) * profile.gpus_per_replica
        )
    return provisioned_w(profile.power, slots) * profile.gpus_per_replica
