"""Why a problem has no fleet, as data: reasons, relaxations and the nearest fleet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fleetopt.errors import FleetoptError, InfeasibleError, StoppedError
from fleetopt.plan import Cost, Fleet, Pool

SCHEMA = "fleetopt.infeasible/1"

Value = float | str | None


@dataclass(frozen=True)
class Relaxed:
    """A key of the problem, and what it would have to be.

    key: such as "max_gpus", "inventory.h100" or "slo[0].limit_ms".
    stated: what the problem says.
    needed: what it would have to be; null if no value would do.
    """

    key: str
    stated: Value
    needed: Value


@dataclass(frozen=True)
class Relaxations:
    """What limits that exclude each other would have to be.

    alone: each of them, and what it would have to be with every other one kept.
    together: where none is enough alone, those that could give at once.
    """

    alone: tuple[Relaxed, ...] = ()
    together: tuple[Relaxed, ...] = ()


@dataclass(frozen=True)
class NearestFleet:
    """The fleet that keeps everything but what it relaxes, by the table and not simulated.

    excess: sum of the relative changes of the numbers that it relaxes.
    relaxation: every key that it does not keep, and what it needs.
    """

    fleet: Fleet
    cost: Cost
    excess: float
    relaxation: tuple[Relaxed, ...]


@dataclass(frozen=True)
class Refusal:
    """Why there is no plan.

    feasible: false; null where a limit stopped the solver before it could tell.
    reasons: in words, line by line.
    relaxation: of the limits, if they are what stands in the way.
    nearest: null if there is none.
    termination: why the solver stopped, if it could not tell.
    bound_usd_per_hour: what it had proved of the cost by then.
    """

    feasible: bool | None
    reasons: tuple[str, ...]
    relaxation: Relaxations = Relaxations()
    nearest: NearestFleet | None = None
    termination: str | None = None
    bound_usd_per_hour: float | None = None

    @classmethod
    def of(cls, error: FleetoptError) -> Refusal:
        """What an InfeasibleError or a StoppedError says."""
        if isinstance(error, RefusalError):
            return error.refusal
        reasons = tuple(str(error).split("\n"))
        if isinstance(error, StoppedError):
            return cls(None, reasons, termination=error.termination, bound_usd_per_hour=error.bound)
        return cls(False, reasons)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, schema first."""
        return {"schema": SCHEMA, **asdict(self)}


class RefusalError(InfeasibleError):
    """An InfeasibleError that knows the reasons and the nearest fleet."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__("\n".join((*refusal.reasons, *_told(refusal.nearest))))


def _told(nearest: NearestFleet | None) -> list[str]:
    """The nearest fleet in words."""
    if nearest is None:
        return []
    pools = ", ".join(
        f"{pool.bought:,} {pool.profile}{_must_be_up(pool)}{_alone(pool)} "
        f"for ({pool.lo_tokens:,}, {pool.hi_tokens:,}]"
        for pool in nearest.fleet.pools
    )
    price = f"{nearest.cost.usd_per_year:,.0f} $ a year"
    return [
        f"the nearest fleet, by the table: {pools} tokens; {price}; it needs",
        *(f"  {limit.key} = {_shown(limit.needed)}, stated {_shown(limit.stated)}"
          for limit in nearest.relaxation),
    ]  # fmt: skip


def _must_be_up(pool: Pool) -> str:
    return f" ({pool.replicas:,} of them must be up)" if pool.spare_replicas else ""


def _alone(pool: Pool) -> str:
    """The phase that a pool does, if it is one."""
    return f" {pool.phase}" if pool.phase else ""


def _shown(value: Value) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else f"{value:,.12g}"
