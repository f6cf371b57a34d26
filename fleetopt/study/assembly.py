"""Puts a plan together from the program's choice, the tables and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from fleetopt.case import Case
from fleetopt.objective import Objective
from fleetopt.optimization.design import Chosen, Design
from fleetopt.optimization.limits import spare_gpus
from fleetopt.optimization.solver import Solution, Termination
from fleetopt.performance.kv_link import KvLink
from fleetopt.performance.phase_links import without_share
from fleetopt.plan import (
    HOURS_PER_YEAR,
    Alternative,
    Cost,
    Fleet,
    Plan,
    Pool,
    PoolVerification,
    Provenance,
    RecordedTraffic,
    RefusedFleet,
    Status,
    Verification,
)
from fleetopt.problem import Phase, VerificationOptions
from fleetopt.study.energy import power_notes
from fleetopt.study.measured import beyond
from fleetopt.study.prediction import predicted
from fleetopt.verification import Outcome, Together, overall
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
        prediction=predicted(design, solution.chosen),
        verification=verification_part,
        alternatives=others,
        notes=(
            *_added(design),
            *notes(case, solution.chosen),
            *beyond(design, solution.chosen),
            *power_notes(design, solution.chosen),
        ),
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


def _link(name: str, path: KvLink) -> str:
    """A link in words, with the bandwidth of a replica or, if it is shared, of all."""
    whose = "shared by the replicas" if path.shared else "a replica"
    speed = f"{path.bytes_per_s / 1e9:g} GB/s {whose}, {path.bytes_per_token:,.0f} bytes a token"
    return f"{without_share(name).partition(' (')[0]}: {speed}"


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
