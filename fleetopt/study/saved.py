"""The pools of a saved plan, checked against its problem."""

from __future__ import annotations

from dataclasses import replace

from fleetopt.case import Case
from fleetopt.errors import Fault, InputError, near
from fleetopt.plan import Fleet, Plan, Pool
from fleetopt.verification import Judged


def pools_of(case: Case, plan: Plan) -> list[Judged]:
    """The pools of a saved plan, checked against its problem; raises InputError."""
    known = [profile.name for profile in case.profiles]
    faults = [
        Fault(f"fleet.pools[{i}].profile", f"unknown profile {p.profile!r}", near(p.profile, known))
        for i, p in enumerate(plan.fleet.pools)
        if p.profile not in known
    ]
    pools = list(zip(plan.fleet.pools, plan.fleet.gammas, strict=True))
    faults += [
        Fault(f"fleet.pools[{i}]", f"no requests are in ({p.lo_tokens}, {p.hi_tokens}] tokens")
        for i, (p, gammas) in enumerate(pools)
        if not case.lengths.served_share(case.serves(p.lo_tokens, p.hi_tokens, *gammas)) > 0
    ]
    if faults:
        raise InputError(faults)
    return [
        _with_partner(
            case,
            plan.fleet,
            p,
            Judged(
                p.lo_tokens, p.hi_tokens, p.profile, p.replicas, p.arrival_rate, *gammas, p.phase
            ),
        )
        for p, gammas in pools
    ]


def _with_partner(case: Case, fleet: Fleet, pool: Pool, judged: Judged) -> Judged:
    """A pool of one phase with the other one and the link between; raises InputError."""
    if pool.phase is None:
        return judged
    other = next(p for p in fleet.pools if p.name == pool.partner)
    first, second = (pool, other) if pool.phase == "prefill" else (other, pool)
    for pairs in case.phase_pairs:
        if first.profile in pairs.prefill and second.profile in pairs.decode:
            return replace(
                judged, partner=other.profile, partner_replicas=other.replicas, path=pairs.path
            )
    text = f"the problem has no link from {first.profile} to {second.profile}"
    raise InputError.single("problem.links", text)
