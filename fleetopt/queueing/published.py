"""The published sizing method, for comparison: slots are servers, Erlang-C and Kimura.

A request of v iterations and L tokens holds one of c = N s slots for

    S = v (W + h L s),   v = ceil(prompt / chunk) + output,

as if the s requests beside it had its own length. With C the probability of waiting in
M/M/c at the mean of S, the P99 wait is

    0 if C <= 0.01, else ln(C / 0.01) (1 + cv2) / (2 (c mu - lambda)),   cv2 of S

(Kimura 1994, Queueing Systems 17), and the reported TTFT is that wait and the mean of
ceil(prompt / chunk) (W + H). Its pools keep the wait, not the TTFT, within the bound.
Expectations are exact sums over the lengths; the published tool samples them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fleetopt.errors import InputError
from fleetopt.performance.profile import CalibratedProfile, Capacity, IterationTime
from fleetopt.queueing.erlang import erlang_c
from fleetopt.queueing.latency import Metric
from fleetopt.queueing.load import prefix_sums
from fleetopt.queueing.per_request import prefill_iterations
from fleetopt.queueing.table import Limits, PoolRange
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import LengthDistribution

if TYPE_CHECKING:
    from fleetopt.problem import LatencyBound


@dataclass(frozen=True, slots=True)
class PublishedLoad:
    """The requests of one pool, as the published formulas see them.

    arrival_rate: requests per second.
    work, work_tokens: E[v] and E[v L]; the next three: E[v^2], E[v^2 L] and E[v^2 L^2].
    prefill: E[ceil(prompt / chunk)].
    """

    arrival_rate: float
    work: float
    work_tokens: float
    work2: float
    work2_tokens: float
    work2_tokens2: float
    prefill: float


class PublishedLoadTable:
    """Loads of every range of lengths of one workload on one profile, by prefix sums."""

    def __init__(self, lengths: LengthDistribution, iteration: IterationTime) -> None:
        self._lengths = lengths
        prefill = prefill_iterations(lengths.prompt_tokens, iteration.chunk_tokens)
        work = prefill + lengths.output_tokens
        demand = work * lengths.total_tokens
        mass = lengths.weights
        self._sums = prefix_sums([
            (mass,), (mass, work), (mass, demand), (mass, work, work), (mass, work, demand),
            (mass, demand, demand), (mass, prefill),
        ])  # fmt: skip

    def serving(self, what: Served, arrival_rate: float) -> PublishedLoad:
        """The load of a pool as the published method counts it.

        Its requests are the own ones that are never compressed: those that are compressed
        into it are left out, and so are those of the lengths that are compressed below,
        whether they are or not. Only the arrival rate knows of them. Raises ValueError if
        no requests are left.
        """
        return self.between(what.gives_up_to, what.hi_tokens, arrival_rate)

    def between(self, lo_tokens: int, hi_tokens: int, arrival_rate: float) -> PublishedLoad:
        """The load of total lengths in (lo, hi] at a rate of their own.

        Raises ValueError if the range carries no traffic.
        """
        first, last = self._lengths.index(lo_tokens), self._lengths.index(hi_tokens)
        sums = self._sums[:, last] - self._sums[:, first]
        if not sums[0] > 0:
            raise ValueError(f"no requests have a total length in ({lo_tokens}, {hi_tokens}]")
        return PublishedLoad(arrival_rate, *(float(x) for x in sums[1:] / sums[0]))


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of the published table; it predicts the TTFT alone.

    wait_probability: C. wait_rate: rate of the exponential tail of the wait, per second.
    prefill_s: mean prefill time that is reported on top of the wait.
    """

    replicas: int
    utilization: float
    wait_probability: float
    wait_rate: float
    prefill_s: float

    @property
    def method(self) -> str:
        """Which states the latencies are mixed over."""
        return "published"

    @property
    def is_stable(self) -> bool:
        """Whether the slots are enough for what is held on average."""
        return self.utilization < 1.0

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(wait > stretch * limit); 1 if the pool is overloaded."""
        if self.utilization >= 1.0:
            return 1.0
        return self.wait_probability * math.exp(-self.wait_rate * stretch * bound.limit_s)

    def percentile_s(self, metric: Metric, percentile: float) -> float | None:
        """The reported TTFT in seconds, infinite if overloaded; None for other metrics."""
        if metric != "ttft":
            return None
        return self.wait_s(percentile) + self.prefill_s

    def wait_s(self, percentile: float) -> float:
        """A percentile of the wait, in seconds; infinite if the pool is overloaded."""
        if self.utilization >= 1.0:
            return math.inf
        allowed = 1.0 - percentile / 100.0
        if self.wait_probability <= allowed:
            return 0.0
        return math.log(self.wait_probability / allowed) / self.wait_rate


class PublishedTable(PoolRange):
    """The published table of one range of lengths on one calibrated profile.

    Raises InputError if the SLO bounds anything but TTFT, which the method cannot predict.
    """

    def __init__(
        self,
        load: PublishedLoad,
        profile: CalibratedProfile,
        capacity: Capacity,
        lo_tokens: int,
        limits: Limits,
        gammas: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        for bound in limits.slo:
            if bound.metric != "ttft":
                expected = f"the published method predicts TTFT only, not {bound.label}"
                raise InputError.single("method", expected, "use method 'fleetopt'")
        self.load = load
        self.gammas = gammas
        self.profile = profile
        self.capacity = capacity
        self.lo_tokens = lo_tokens
        self.limits = limits
        h = profile.iteration.per_context_token_s * capacity.slots
        w = profile.iteration.base_s
        self._hold_s = w * load.work + h * load.work_tokens
        second = w * w * load.work2 + 2 * w * h * load.work2_tokens + h * h * load.work2_tokens2
        self._cv2 = max(0.0, second / self._hold_s**2 - 1.0)
        spec = profile.spec
        self._prefill_s = load.prefill * (spec.base_s + spec.per_sequence_s)

    @property
    def arrival_rate(self) -> float:
        """Requests per second."""
        return self.load.arrival_rate

    @property
    def slots(self) -> int:
        """Sequences in a replica's batch."""
        return self.capacity.slots

    @property
    def offered(self) -> float:
        """Slots that the requests hold on average, lambda E[S]."""
        return self.load.arrival_rate * self._hold_s

    def utilization(self, replicas: int) -> float:
        """Share of the slots that is held."""
        return self.offered / (replicas * self.slots)

    def row(self, replicas: int) -> PublishedRow:
        """The row of a number of replicas."""
        servers = replicas * self.slots
        spare = servers / self._hold_s - self.load.arrival_rate
        return PublishedRow(
            replicas=replicas,
            utilization=self.utilization(replicas),
            wait_probability=erlang_c(servers, self.offered),
            wait_rate=2.0 * spare / (1.0 + self._cv2),
            prefill_s=self._prefill_s,
        )

    def is_admissible(self, replicas: int, grey: bool = False) -> bool:
        """Whether n replicas keep every limit; the published method knows no grey rows."""
        if replicas < self._first() or self.utilization(replicas) > self.limits.max_utilization:
            return False
        row = self.row(replicas)
        return all(row.wait_s(bound.percentile) <= bound.limit_s for bound in self.limits.slo)

    def min_replicas(self, grey: bool = False) -> int:
        """Least admissible number of replicas, searched upwards from ceil(lambda E[S] / s) + 1."""
        least = self.offered / (self.slots * self.limits.max_utilization)
        replicas = max(self._first(), math.floor(least))
        while not self.is_admissible(replicas):
            replicas += 1
        return replicas

    def max_arrival_rate(self, replicas: int) -> float:
        """Lambda(n), requests per second, by bisection to 1e-6; 0 if no rate is feasible."""
        top = replicas * self.slots / self._hold_s
        low, high = 0.0, top
        while high - low > 1e-6 * high and high > 1e-9 * top:
            middle = 0.5 * (low + high)
            if self.at_rate(middle).is_admissible(replicas):
                low = middle
            else:
                high = middle
        return low

    def binding(self, replicas: int) -> str:
        """Why one replica fewer would not do, in words and numbers."""
        fewer = replicas - 1
        if fewer < self._first():
            return f"the published search starts at {self._first()} replicas"
        rho = self.utilization(fewer)
        if rho > self.limits.max_utilization:
            limit = self.limits.max_utilization
            return f"utilization cap: utilization {rho:.3g} > {limit:g} at {fewer}"
        row = self.row(fewer)
        for bound in self.limits.slo:
            wait_s = row.wait_s(bound.percentile)
            if wait_s > bound.limit_s:
                return (
                    f"wait for a slot: P{bound.percentile:g} wait {1e3 * wait_s:,.0f} ms at {fewer}"
                )
        return f"simulation: the table alone would accept {fewer}"

    def fastest_s(self, bound: LatencyBound) -> float:
        """The reported TTFT without a wait, in seconds; pools are not held to it."""
        return self._prefill_s

    def least_miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """0: the method holds pools to their wait alone, and idle replicas have none."""
        return 0.0

    def _first(self) -> int:
        return math.ceil(self.offered / self.slots) + 1

    def with_capacity(self, capacity: Capacity) -> PublishedTable:
        """The same pool with another batch in each replica."""
        return self._with(self.load, capacity)

    def at_rate(self, arrival_rate: float) -> PublishedTable:
        """The same pool at another arrival rate."""
        return self._with(replace(self.load, arrival_rate=arrival_rate), self.capacity)

    def _with(self, load: PublishedLoad, capacity: Capacity) -> PublishedTable:
        limits, gammas = self.limits, self.gammas
        return PublishedTable(load, self.profile, capacity, self.lo_tokens, limits, gammas)
