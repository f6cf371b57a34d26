"""A plan: a fleet with its predictions, verification, bound and provenance.

Every class here is a frozen result. `Plan.to_dict` gives the stable JSON form,
`Plan.from_dict` reads it back and reports every fault at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from fleetopt.errors import Fault, InputError
from fleetopt.objective import Objective
from fleetopt.problem import FleetProblem, structure

SCHEMA = "fleetopt.plan/1"
HOURS_PER_YEAR = 8760.0

Verdict = Literal["pass", "fail", "inconclusive", "unstable", "too short", "not verified"]

_CLOSED = {"extra": "forbid"}


@dataclass(frozen=True)
class Pool:
    """n identical replicas that serve total lengths in (lo_tokens, hi_tokens].

    lo_tokens, hi_tokens: range of total lengths; hi_tokens is the context window too.
    gpu, profile: short name of the GPU type, and name of the profile.
    replicas: those that must be up for the predictions to hold.
    gpus: of all replicas that are bought, spare ones included.
    slots: sequences in the running batch of one replica, as the table counts them.
    admission: "reserved" or "paged".
    compression: requests of up to this multiple of `hi_tokens` are compressed into this pool,
        the problem's share of them; 1.0 is none.
    arrival_rate: requests per second that the pool receives.
    spare_replicas: bought beyond `replicas`, because some are down at times.
    """

    name: str
    lo_tokens: int
    hi_tokens: int
    gpu: str
    profile: str
    replicas: int
    gpus: int
    slots: int
    admission: str
    compression: float
    arrival_rate: float
    spare_replicas: int = 0
    __pydantic_config__ = _CLOSED

    @property
    def bought(self) -> int:
        """Replicas that are paid for."""
        return self.replicas + self.spare_replicas


@dataclass(frozen=True)
class Fleet:
    """Pools and the router in front of them.

    router: how requests find their pool; "length" sends each to the range of its length.
    """

    router: str
    pools: tuple[Pool, ...]
    __pydantic_config__ = _CLOSED

    @property
    def gpus(self) -> int:
        """GPUs of all pools."""
        return sum(pool.gpus for pool in self.pools)

    @property
    def gammas(self) -> tuple[tuple[float, float], ...]:
        """For each pool what is compressed into the one below it, and into itself."""
        factors = [pool.compression for pool in self.pools]
        return tuple(zip([1.0, *factors[:-1]], factors, strict=True))


@dataclass(frozen=True)
class Cost:
    """Price of the fleet; a year is 8760 h."""

    usd_per_hour: float
    usd_per_year: float
    __pydantic_config__ = _CLOSED

    @classmethod
    def hourly(cls, usd_per_hour: float) -> Cost:
        """The cost of a fleet from its price per hour."""
        return cls(usd_per_hour, usd_per_hour * HOURS_PER_YEAR)


@dataclass(frozen=True)
class BoundPrediction:
    """One SLO bound as the table sees it.

    metric, percentile, limit_ms: the bound.
    value_ms: the predicted percentile; null if the method does not predict it.
    miss_probability: share of requests beyond the limit.
    """

    metric: str
    percentile: float
    limit_ms: float
    value_ms: float | None
    miss_probability: float
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class PoolPrediction:
    """What the feasibility table says of one pool.

    utilization: offered work over the work rate with every slot busy.
    p99_ttft_ms, p99_tpot_ms, p99_e2e_ms: predicted percentiles; null if not predicted.
    method: "occupancy" (state-dependent Erlang-C), "two-class chain" (slow environment)
        or "published".
    grey: the table alone would refuse the row; simulation decided.
    binds: what stops the pool from having one replica fewer.
    bounds: every bound of the SLO.
    """

    utilization: float
    p99_ttft_ms: float | None
    p99_tpot_ms: float | None
    p99_e2e_ms: float | None
    method: str
    grey: bool
    binds: str
    bounds: tuple[BoundPrediction, ...]
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class Prediction:
    """The table's predictions, pool by pool.

    attained: share of all requests within each bound, in the order of the SLO.
    """

    pools: tuple[PoolPrediction, ...]
    attained: tuple[float, ...] = ()
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval; None where there is none."""

    estimate: float | None
    low: float | None
    high: float | None
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class PoolVerification:
    """What the simulator says of one pool.

    verdict: of the sequential test on the attainment; in scope fleet on the pool's own,
        which does not decide.
    p99_ttft_ms, p99_tpot_ms, p99_e2e_ms: simulated percentiles.
    slo_attainment: share of measured arrivals that met every bound (the worst bound's).
    utilization: work done over the work rate with every slot busy.
    arrivals, completed, rejected, unfinished: over all replications; the last three add up
        to the first.
    replications: runs with random numbers of their own.
    horizon_s: measured time of each.
    backlog_per_s: growth of the waiting line, for an unstable pool.
    reason: why the run is too short, or what else there is to know.
    attained: share of measured arrivals within each bound, in the order of the SLO.
    """

    verdict: Verdict
    p99_ttft_ms: Interval
    p99_tpot_ms: Interval
    p99_e2e_ms: Interval
    slo_attainment: Interval
    utilization: float
    arrivals: int
    completed: int
    rejected: int
    unfinished: int
    replications: int
    horizon_s: float
    backlog_per_s: float | None = None
    reason: str = ""
    attained: tuple[Interval, ...] = ()
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class Verification:
    """The verdict over all pools, with the effort that went into it.

    verdict: the worst of the pools'; in scope fleet, on the requests of all pools together.
    requests: arrivals measured in all pools.
    replications: the most of any pool.
    seed: from which all random numbers come.
    attained: in scope fleet, share of all requests within each bound.
    """

    verdict: Verdict
    requests: int
    replications: int
    seed: int
    pools: tuple[PoolVerification, ...]
    attained: tuple[Interval, ...] = ()
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class RefusedRow:
    """A table row that simulation refused, and why.

    predicted_ms: percentile of the first bound, by the table.
    compression: of the pool, see `Pool`.
    """

    lo_tokens: int
    hi_tokens: int
    profile: str
    replicas: int
    predicted_ms: float
    verdict: Verdict
    p99_ttft_ms: Interval
    slo_attainment: Interval
    compression: float = 1.0
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class RefusedFleet:
    """A fleet that the program chose in scope fleet and that did not pass.

    attained: share of all requests within each bound, as simulated.
    """

    fleet: Fleet
    usd_per_year: float
    verdict: Verdict
    attained: tuple[Interval, ...]
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class Status:
    """Why the solver stopped, what is held, and how good it is.

    termination: why the solver stopped: "optimal", "gap", "time_limit" or "node_limit".
    holding: what it holds, "optimal" or "feasible".
    gap: relative distance between the answer and the bound of the solver.
    bound_usd_per_year: cost of the first optimum, before simulation refused any row; where
        the solver was stopped early, what it had proved by then. It bounds the cost only
        where the cost is the objective.
    refused_rows: rows that simulation refused on the way.
    refused_fleets: whole fleets that it refused, in scope fleet.
    """

    termination: str
    holding: str
    gap: float
    bound_usd_per_year: float
    refused_rows: tuple[RefusedRow, ...] = ()
    refused_fleets: tuple[RefusedFleet, ...] = ()
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class Alternative:
    """Another fleet beside the plan, and what to know of it.

    kind: "one pool", "one GPU type", "next cheaper", "next best" or "paged".
    verdict: the simulator's, or "not verified".
    why: what it gives up or gains.
    """

    kind: str
    usd_per_year: float
    fleet: Fleet
    verdict: Verdict
    why: str
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class Provenance:
    """Where an answer comes from.

    version: of fleetopt.
    input_sha256: SHA-256 of each file that was read, by its path.
    extension: the one of these files that changed the program; empty if none did.
    date: UTC, ISO 8601.
    command: the command line; empty if there was none.
    """

    version: str
    seed: int
    input_sha256: dict[str, str]
    date: str
    command: str
    extension: str = ""
    __pydantic_config__ = _CLOSED


@dataclass(frozen=True)
class Plan:
    """The answer to a FleetProblem.

    problem: as it was stated, with the files that it named written into it.
    status: why the solver stopped, and what is held.
    verification: null if nothing was simulated.
    alternatives: other fleets beside it.
    notes: things to know before acting.
    objective: null if it is the cost.
    schema: "fleetopt.plan/1".
    """

    problem: FleetProblem
    status: Status
    fleet: Fleet
    cost: Cost
    prediction: Prediction
    verification: Verification | None
    alternatives: tuple[Alternative, ...]
    notes: tuple[str, ...]
    provenance: Provenance
    objective: Objective | None = None
    schema: str = field(default=SCHEMA)
    __pydantic_config__ = _CLOSED

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, schema first."""
        fields = {name: value for name, value in self.__dict__.items() if name != "schema"}
        plain = {name: _plain(value) for name, value in fields.items()}
        return {"schema": self.schema, **plain}

    @classmethod
    def from_dict(cls, data: Any, place: str = "plan") -> Plan:
        """Read the JSON form back. Raises InputError with every fault."""
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SCHEMA:
            hint = "a plan is what `fleetopt solve --format json` writes"
            raise InputError.single(
                f"{place}, schema", f"expected {SCHEMA!r}, got {schema!r:.60}", hint
            )
        plan = structure(cls, data, place)
        faults = [*_count_faults(plan), *_pool_faults(plan.fleet)]
        if faults:
            raise InputError([Fault(f"{place}, {fault.place}", fault.expected) for fault in faults])
        return plan


def _count_faults(plan: Plan) -> list[Fault]:
    """Predictions and verifications stand in the order of the pools, one each."""
    wanted = len(plan.fleet.pools)
    counts = {"prediction.pools": len(plan.prediction.pools)}
    if plan.verification is not None:
        counts["verification.pools"] = len(plan.verification.pools)
    faults = [
        Fault(place, f"expected {wanted} entries, one for each pool of the fleet, got {count}")
        for place, count in counts.items()
        if count != wanted
    ]
    return faults if wanted else [Fault("fleet.pools", "expected at least one pool")]


def _pool_faults(fleet: Fleet) -> list[Fault]:
    faults = []
    for i, pool in enumerate(fleet.pools):
        for key in ("replicas", "gpus", "slots", "arrival_rate"):
            if not getattr(pool, key) > 0:
                text = f"must be greater than 0, got {getattr(pool, key)}"
                faults.append(Fault(f"fleet.pools[{i}].{key}", text))
        if pool.spare_replicas < 0:
            text = f"must be at least 0, got {pool.spare_replicas}"
            faults.append(Fault(f"fleet.pools[{i}].spare_replicas", text))
        if not 0 <= pool.lo_tokens < pool.hi_tokens:
            text = f"expected 0 <= lo_tokens < hi_tokens, got {pool.lo_tokens} and {pool.hi_tokens}"
            faults.append(Fault(f"fleet.pools[{i}]", text))
        above = fleet.pools[i + 1].hi_tokens if i + 1 < len(fleet.pools) else pool.hi_tokens
        most = above / pool.hi_tokens if pool.hi_tokens > 0 else 1.0
        if not 1.0 <= pool.compression <= max(1.0, most) * (1.0 + 1e-9):
            text = f"expected a factor from 1 to {max(1.0, most):g}, got {pool.compression:g}"
            hint = "requests are compressed out of the pool above, the last pool has none"
            faults.append(Fault(f"fleet.pools[{i}].compression", text, hint))
    return faults


def _plain(value: Any) -> Any:
    if isinstance(value, FleetProblem):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
