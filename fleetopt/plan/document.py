"""The plan as a whole: the fleet, its proof, its provenance, and the JSON form.

`Plan.to_dict` gives the stable JSON form, `Plan.from_dict` reads it back and reports every
fault at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from fleetopt.errors import Fault, InputError
from fleetopt.objective import Objective
from fleetopt.plan.fleet import CLOSED, Cost, Fleet, Pool
from fleetopt.plan.prediction import Prediction
from fleetopt.plan.verification import RefusedFleet, RefusedRow, Verdict, Verification
from fleetopt.problem import FleetProblem, structure

SCHEMA = "fleetopt.plan/1"


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
    __pydantic_config__ = CLOSED


ONE_POOL_OF, TWO_POOLS_OF, MIXED = "one pool of", "two pools of", "mixed GPU types"
"""Kinds of fleets by their GPU types; the name of the type follows the first two."""


@dataclass(frozen=True)
class Alternative:
    """Another fleet beside the plan, and what to know of it.

    kind: "one pool", "one GPU type", "next cheaper", "next best" or "paged"; where there are
        several GPU types also "one pool of h100", "two pools of h100" and so on for each, and
        "mixed GPU types".
    verdict: the simulator's, or "not verified".
    why: what it gives up or gains.
    """

    kind: str
    usd_per_year: float
    fleet: Fleet
    verdict: Verdict
    why: str
    __pydantic_config__ = CLOSED


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
    __pydantic_config__ = CLOSED


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
    __pydantic_config__ = CLOSED

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
        above = max((p.hi_tokens for p in fleet.pools if p.lo_tokens == pool.hi_tokens), default=0)
        most = above / pool.hi_tokens if pool.hi_tokens > 0 else 1.0
        if not 1.0 <= pool.compression <= max(1.0, most) * (1.0 + 1e-9):
            text = f"expected a factor from 1 to {max(1.0, most):g}, got {pool.compression:g}"
            hint = "requests are compressed out of the pool above, the last pool has none"
            faults.append(Fault(f"fleet.pools[{i}].compression", text, hint))
        if pool.phase is not None and not _has_partner(pool, fleet):
            text = f"no pool of these lengths that does the other phase is called {pool.partner!r}"
            faults.append(Fault(f"fleet.pools[{i}].partner", text))
    return faults


def _has_partner(pool: Pool, fleet: Fleet) -> bool:
    """Whether a pool of one phase has another one that does the other."""
    same = (pool.lo_tokens, pool.hi_tokens, {"prefill", "decode"})
    return any(
        other.name == pool.partner
        and (other.lo_tokens, other.hi_tokens, {pool.phase, other.phase}) == same
        for other in fleet.pools
    )


def _plain(value: Any) -> Any:
    if isinstance(value, FleetProblem):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value
