"""The fleet of a plan, stated as a simulation."""

from __future__ import annotations

from fleetopt.errors import Fault, InputError
from fleetopt.plan import Plan, Pool
from fleetopt.problem import FleetProblem, FleetSimulation, PoolStatement, RouterStatement


def plan_statement(
    plan: Plan, place: str = "plan", *, with_spares: bool = False
) -> FleetSimulation:
    """The plan's fleet on the traffic that it was designed for.

    with_spares: all replicas that are bought serve, as they do where nodes fail; otherwise those
        that must be up, and spare ones stand by.
    Raises InputError for a plan that compresses between its longer pools.
    """
    problem = plan.problem
    return FleetSimulation(
        pools=tuple(_pool(pool, problem, with_spares) for pool in plan.fleet.pools),
        profiles=problem.profiles,
        router=_router(plan, place),
        cdf=problem.cdf,
        lam=problem.design_rate,
        overlong=problem.overlong or "clip",
        slo=problem.slo,
        replications=problem.verification.replications,
        n_req=problem.verification.requests,
        gpus_per_node=problem.failing_gpus,
    )


def _pool(pool: Pool, problem: FleetProblem, with_spares: bool) -> PoolStatement:
    return PoolStatement(
        id=pool.name.replace(" ", "-"),
        gpu=pool.profile,
        n_gpus=pool.gpus if with_spares else pool.gpus // pool.bought * pool.replicas,
        max_ctx=pool.hi_tokens,
        admission="paged" if pool.admission == "paged" else "reserved",
        max_num_seqs=problem.max_num_seqs,
    )


def _router(plan: Plan, place: str) -> RouterStatement:
    """By length; with the compression of the plan, which adds no time there."""
    pools = plan.fleet.pools
    compressing = [pool for pool in pools if pool.compression > 1.0]
    if not compressing:
        return RouterStatement()
    if compressing != [min(pools, key=lambda pool: pool.hi_tokens)]:
        text = "the plan compresses between its longer pools, which no router here does"
        raise InputError([Fault(place, text)])
    return RouterStatement(
        name="compress",
        gamma=compressing[0].compression,
        never=(),
        success=plan.problem.compressible_share,
        latency_ms=0.0,
    )
