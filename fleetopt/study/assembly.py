"""Puts a plan together from the program's choice, the tables and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from fleetopt.case import Case
from fleetopt.errors import Fault, InputError, near
from fleetopt.objective import Objective
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Chosen, Design
from fleetopt.optimization.limits import spare_gpus
from fleetopt.optimization.solver import Solution, Termination
from fleetopt.performance.phase_links import KvPath
from fleetopt.plan import (
    HOURS_PER_YEAR,
    Alternative,
    BoundPrediction,
    Cost,
    Fleet,
    Plan,
    Pool,
    PoolPrediction,
    PoolVerification,
    Prediction,
    Provenance,
    RecordedTraffic,
    RefusedFleet,
    Status,
    Verification,
)
from fleetopt.problem import Phase, VerificationOptions
from fleetopt.queueing.availability import SpareRule
from fleetopt.queueing.table import PoolTable
from fleetopt.queueing.table import Row as TableRow
from fleetopt.study.energy import energy_of
from fleetopt.study.measured import beyond
from fleetopt.verification import METRICS_OF, Judged, Outcome, Together, overall
from fleetopt.workload.compression import reach


def plan(
    design: Design,
    outcome: Outcome,
    others: tuple[Alternative, ...],
    command: str,
    trace: RecordedTraffic | None = None,
) -> Plan:
    """The answer to the design's problem.

    trace: what it was verified on; None for Poisson arrivals.
    """
    case, solution = design.case, outcome.solution
    objective = _objective(design, outcome)
    bound = _bound_usd_per_hour(outcome.first, minimized_cost=objective is None)
    verification_part = None
    if outcome.verdicts:
        phases = [candidate.phase for candidate, _ in solution.chosen]
        options = case.problem.verification
        verification_part = verification(outcome.verdicts, options, outcome.together, trace, phases)
    return Plan(
        problem=case.problem,
        status=Status(
            termination=solution.termination.value,
            holding=solution.holding.value,
            gap=solution.gap if math.isfinite(solution.gap) else 1.0,
            bound_usd_per_year=bound * HOURS_PER_YEAR,
            refused_rows=outcome.refused,
            refused_fleets=tuple(_refused(design, *pair) for pair in outcome.refused_fleets),
        ),
        fleet=fleet_of(design, solution.chosen),
        cost=Cost.hourly(solution.usd_per_hour),
        prediction=_predicted(design, solution.chosen),
        verification=verification_part,
        alternatives=others,
        notes=(*_added(design), *notes(case, solution.chosen), *beyond(design, solution.chosen)),
        provenance=_provenance(case, command),
        objective=objective,
    )


def fleet_of(design: Design, chosen: Sequence[Chosen]) -> Fleet:
    """The pools of a choice, named by their place; the phases of a pair share its number."""
    paths = {pairs.name: pairs.path for pairs in design.case.phase_pairs}
    pools = []
    for name, (candidate, row) in zip(_names(chosen), chosen, strict=True):
        other = "prefill" if candidate.is_decode else "decode"
        is_whole = candidate.phase is None
        pools.append(
            Pool(
                name=name,
                lo_tokens=candidate.lo_tokens,
                hi_tokens=candidate.hi_tokens,
                gpu=candidate.gpu,
                profile=candidate.profile,
                replicas=row.replicas,
                gpus=candidate.gpus(row),
                slots=design.table(candidate).slots,
                admission=candidate.admission,
                compression=candidate.gamma_hi,
                arrival_rate=candidate.arrival_rate,
                spare_replicas=row.spare,
                phase=candidate.phase,
                partner="" if is_whole else f"{name.rpartition('-')[0]}-{other}",
                link="" if is_whole else _link(candidate.link, paths[candidate.link]),
            )
        )
    return Fleet("length", tuple(pools))


def _names(chosen: Sequence[Chosen]) -> list[str]:
    """pool-1, pool-2, ...; the phases of a pair are pool-1-prefill and pool-1-decode."""
    names, number = list[str](), 0
    for candidate, _ in chosen:
        number += not candidate.is_decode
        names.append(f"pool-{number}" + (f"-{candidate.phase}" if candidate.phase else ""))
    return names


def _link(name: str, path: KvPath) -> str:
    """A link in words, with the bandwidth of a replica or, if it is shared, of all."""
    whose = "shared by the replicas" if path.shared else "a replica"
    speed = f"{path.bytes_per_s / 1e9:g} GB/s {whose}, {path.kv_bytes_per_token:,.0f} bytes a token"
    return f"{name.partition(' (')[0]}: {speed}"


def notes(case: Case, chosen: Sequence[Chosen]) -> tuple[str, ...]:
    """What a reader should know of the plan beyond its figures."""
    said = list(case.notes)
    profiles = {candidate.profile: case.profile(candidate.profile) for candidate, _ in chosen}
    if len({profile.serves for profile in profiles.values()}) > 1:
        models = "; ".join(f"{name}: {profile.serves}" for name, profile in profiles.items())
        said.append(f"the profiles of this fleet serve different models ({models})")
    said += _compressions(case, chosen)
    size = case.problem.node_size
    spare = {gpu: count for gpu, count in spare_gpus(chosen, size).items() if count}
    if spare:
        counts = " and ".join(f"{count} {gpu}" for gpu, count in spare.items())
        said.append(f"nodes of {size} GPUs have {counts} to spare; the cost includes them")
    return tuple(said)


def _added(design: Design) -> list[str]:
    """What the extension of a problem added to the program."""
    extension = design.case.extension
    if extension is None:
        return []
    added = design.additions
    named = {"constraint": added.constraints, "variable": added.variables}
    parts = [
        f"{kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"
        for kind, names in named.items()
        if names
    ]
    if added.objective:
        parts.append(f"objective {added.objective}")
    return [f"{extension.name} added to the program: {'; '.join(parts) or 'nothing'}"]


def _objective(design: Design, outcome: Outcome) -> Objective | None:
    """The objective and its values; None if it is the cost."""
    stated = design.own_objective()
    if stated is None:
        return None
    return Objective(
        name=design.case.problem.objective if stated.name == "goal" else stated.name,
        meaning=stated.parent_component().doc or "",
        sense="least" if stated.sense > 0 else "most",
        value=outcome.solution.objective,
        bound=outcome.solution.bound,
        first=outcome.first.objective,
    )


def _compressions(case: Case, chosen: Sequence[Chosen]) -> list[str]:
    """Which lengths are compressed into which pool, and which share of them."""
    share = f"{100 * case.problem.compressible_share:g} %"
    pools = [candidate for candidate, _ in chosen if not candidate.is_decode]
    return [
        f"pool-{i} also serves {share} of the requests of {pool.hi_tokens + 1:,} to "
        f"{reach(pool.hi_tokens, pool.gamma_hi):,} tokens, with prompts compressed to leave "
        f"{pool.hi_tokens:,} tokens in all; the others stay in pool-{i + 1}"
        for i, pool in enumerate(pools, start=1)
        if pool.gamma_hi > 1.0
    ]


def verification(
    verdicts: Sequence[PoolVerification],
    options: VerificationOptions,
    together: Together | None = None,
    trace: RecordedTraffic | None = None,
    phases: Sequence[Phase | None] | None = None,
) -> Verification:
    """The verdict over all pools, or on their requests together.

    trace: what it was done on; None for Poisson arrivals.
    phases: of the pools, if any does one alone; requests of a pair are counted once.
    """
    done = phases or [None] * len(verdicts)
    return Verification(
        verdict=overall(verdicts) if together is None else together.verdict,
        requests=sum(v.arrivals for v, p in zip(verdicts, done, strict=True) if p != "decode"),
        replications=max(v.replications for v in verdicts),
        seed=options.seed,
        pools=tuple(verdicts),
        attained=() if together is None else together.attained,
        trace=trace,
    )


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


def _bound_usd_per_hour(first: Solution, *, minimized_cost: bool) -> float:
    """Cost of the first optimum; where the solver was stopped, what it had proved."""
    if first.termination is Termination.OPTIMAL or not minimized_cost:
        return first.usd_per_hour
    return max(0.0, first.bound)


def _refused(design: Design, solution: Solution, said: Together) -> RefusedFleet:
    return RefusedFleet(
        fleet=fleet_of(design, solution.chosen),
        usd_per_year=solution.usd_per_hour * HOURS_PER_YEAR,
        verdict=said.verdict,
        attained=said.attained,
    )


def _predicted(design: Design, chosen: Sequence[Chosen]) -> Prediction:
    pools = [_prediction(design, chosen, i) for i in range(len(chosen))]
    return Prediction(tuple(pools), design.attained(chosen), energy_of(design, chosen))


def _prediction(design: Design, chosen: Sequence[Chosen], index: int) -> PoolPrediction:
    candidate, row = chosen[index]
    table = design.table(candidate)
    seen = table.row(row.replicas)
    return PoolPrediction(
        utilization=seen.utilization,
        p99_ttft_ms=_ms(seen.percentile_s("ttft", 99.0)),
        p99_tpot_ms=_ms(seen.percentile_s("tpot", 99.0)),
        p99_e2e_ms=_ms(seen.percentile_s("e2e", 99.0)),
        method=seen.method,
        grey=row.grey,
        binds=design.binding(chosen, index),
        bounds=tuple(_bounds(table, seen, candidate.phase)),
        enough_up=_enough_up(design.side.spares, candidate, row),
    )


def _enough_up(spares: SpareRule, candidate: Candidate, row: Row) -> float | None:
    """Share of the time that as many replicas as must be up are up; None where none fail."""
    if spares.availability == 1.0:
        return None
    return 1.0 - spares.short_share(row.replicas, row.bought, candidate.gpus_per_replica)


def _bounds(table: PoolTable, seen: TableRow, phase: Phase | None) -> list[BoundPrediction]:
    return [
        BoundPrediction(
            metric=bound.metric,
            percentile=bound.percentile,
            limit_ms=bound.limit_ms,
            value_ms=_ms(seen.percentile_s(bound.metric, bound.percentile)),
            miss_probability=seen.miss(bound),
        )
        for bound in table.limits.slo
        if bound.metric in METRICS_OF[phase]
    ]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000.0 * seconds


def _provenance(case: Case, command: str) -> Provenance:
    try:
        number = version("fleetopt")
    except PackageNotFoundError:
        number = "unknown"
    return Provenance(
        version=number,
        seed=case.problem.verification.seed,
        input_sha256={str(source.path): source.sha256 for source in case.sources},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        extension=str(case.extension.source.path) if case.extension else "",
    )
