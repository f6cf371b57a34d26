"""The fleet of a plan, stated as a simulation."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.performance.phase_links import path_of
from fleetopt.plan import Plan, Pool
from fleetopt.problem import (
    CoefficientSpec,
    FleetProblem,
    FleetSimulation,
    LinkStatement,
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
        links=tuple(_links(plan)),
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
        max_batch=1 if pool.phase == "prefill" else None,
        role=pool.phase or "mixed",
    )


def _links(plan: Plan) -> Iterator[LinkStatement]:
    """The links between the phases of a plan's pairs."""
    gpus = {spec.name: spec.gpus_per_replica for spec in plan.problem.profiles}
    pools = {pool.name: pool for pool in plan.fleet.pools}
    stated = {(link.prefill, link.decode): link for link in plan.problem.links}
    for pool in plan.fleet.pools:
        if pool.phase == "prefill":
            decode = pools[pool.partner]
            path = path_of(stated[pool.profile, decode.profile], gpus)
            yield LinkStatement(
                source=pool.name,
                target=decode.name,
                gb_per_s=path.bytes_per_s / 1e9,
                kv_bytes_per_token=path.kv_bytes_per_token,
                latency_ms=1000.0 * path.latency_s,
                shared=path.shared,
                overlap_layers=path.overlap_layers,
            )


def _router(plan: Plan) -> RouterStatement:
    """By length; with the compression of the plan, which adds no time there."""
    entrances = (pool for pool in plan.fleet.pools if pool.phase != "decode")
    pools = sorted(entrances, key=lambda pool: pool.hi_tokens)
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
