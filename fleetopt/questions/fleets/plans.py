"""The fleet of a plan, stated as a simulation."""

from __future__ import annotations

from fleetopt.plan import Plan, Pool
from fleetopt.problem import (
    CoefficientSpec,
    FleetProblem,
    FleetSimulation,
    PoolStatement,
    RouterStatement,
)


def plan_statement(plan: Plan, *, with_spares: bool = False) -> FleetSimulation:
    """The plan's fleet on the traffic that it was designed for.

    with_spares: all replicas that are bought serve, as they do where nodes fail; otherwise those
        that must be up, and spare ones stand by.
    """
    problem = plan.problem
    return FleetSimulation(
        pools=tuple(_pool(pool, problem, with_spares) for pool in plan.fleet.pools),
        profiles=problem.profiles,
        router=_router(plan),
        cdf=problem.cdf,
        lam=problem.design_rate,
        overlong=problem.overlong or "clip",
        slo=problem.slo,
        replications=problem.verification.replications,
        n_req=problem.verification.requests,
        gpus_per_node=problem.failing_gpus,
    )


def _pool(pool: Pool, problem: FleetProblem, with_spares: bool) -> PoolStatement:
    spec = next((spec for spec in problem.profiles if spec.name == pool.profile), None)
    own = spec.max_num_seqs if isinstance(spec, CoefficientSpec) else None
    return PoolStatement(
        id=pool.name.replace(" ", "-"),
        gpu=pool.profile,
        n_gpus=pool.gpus if with_spares else pool.gpus // pool.bought * pool.replicas,
        max_ctx=pool.hi_tokens,
        admission="paged" if pool.admission == "paged" else "reserved",
        max_num_seqs=own or problem.max_num_seqs,
    )


def _router(plan: Plan) -> RouterStatement:
    """By length; with the compression of the plan, which adds no time there."""
    pools = sorted(plan.fleet.pools, key=lambda pool: pool.hi_tokens)
    if all(pool.compression == 1.0 for pool in pools):
        return RouterStatement()
    return RouterStatement(
        name="compress",
        thresholds=tuple(pool.hi_tokens for pool in pools[:-1]),
        gammas=tuple(pool.compression for pool in pools[:-1]),
        never=(),
        success=plan.problem.compressible_share,
        latency_ms=0.0,
    )
