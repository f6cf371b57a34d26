"""What a cut loop ends with, and what it notes on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Chosen, Design
from fleetopt.optimization.solver import Solution
from fleetopt.plan import PoolVerification, RefusedRow
from fleetopt.verification.phase_trials import METRICS_OF
from fleetopt.verification.verifier import Judged, Together

MOST_REFUSALS = 300
"""Refusals after which the simulator and the table are taken to disagree for good."""


@dataclass(frozen=True)
class Outcome:
    """A fleet of the program with its verdicts.

    first: the optimum before any row was refused.
    together: in scope fleet, the verdict on all requests; refused_fleets: fleets that were
        chosen before and did not pass.
    """

    solution: Solution
    first: Solution
    verdicts: tuple[PoolVerification, ...]
    refused: tuple[RefusedRow, ...]
    together: Together | None = None
    refused_fleets: tuple[tuple[Solution, Together], ...] = ()


def judged(candidate: Candidate, row: Row) -> Judged:
    """A chosen row as a pool to be judged; one of a single phase needs its partner, see below."""
    return Judged(
        candidate.lo_tokens,
        candidate.hi_tokens,
        candidate.profile,
        row.replicas,
        candidate.arrival_rate,
        candidate.gamma_lo,
        candidate.gamma_hi,
        candidate.phase,
    )


def judged_pools(case: Case, chosen: Sequence[Chosen]) -> list[Judged]:
    """The pools of a fleet to be judged, in their order, those of one phase with their partners."""
    paths = {pairs.name: pairs.path for pairs in case.phase_pairs}
    built = {(c.start, c.end, c.phase): (c, row) for c, row in chosen if c.phase is not None}
    pools = []
    for c, row in chosen:
        pool = judged(c, row)
        if c.phase is not None:
            partner, its = built[c.start, c.end, "prefill" if c.is_decode else "decode"]
            path = paths[c.link]
            pool = replace(pool, partner=partner.profile, partner_replicas=its.replicas, path=path)
        pools.append(pool)
    return pools


def refused_row(
    design: Design,
    candidate: Candidate,
    row: Row,
    said: PoolVerification,
    needs: float | None = None,
) -> RefusedRow:
    """A row that the simulator refused, with what the table had said of it.

    needs: the least replicas that pass, if they are known.
    """
    slo = design.case.problem.slo
    own = [bound for bound in slo if bound.metric in METRICS_OF[candidate.phase]]
    bound = (own or slo)[0]
    predicted = (
        design.table(candidate).row(row.replicas).percentile_s(bound.metric, bound.percentile)
    )
    return RefusedRow(
        candidate.lo_tokens,
        candidate.hi_tokens,
        candidate.profile,
        row.replicas,
        1000.0 * (predicted or 0.0),
        said.verdict,
        said.p99_ttft_ms,
        said.slo_attainment,
        candidate.gamma_hi,
        None if needs is None or math.isinf(needs) else int(needs),
        candidate.phase,
    )
