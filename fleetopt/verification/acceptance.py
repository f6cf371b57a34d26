"""The cut loop: the cheapest fleet of the program that the simulator accepts.

A row that does not pass leaves the program, with those of fewer replicas, and the program
is solved again.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.errors import InfeasibleError
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Design
from fleetopt.optimization.solver import Holding, Solution
from fleetopt.plan import PoolVerification, RefusedRow
from fleetopt.verification.judge import FRESH, Judge, Judged

MOST_REFUSALS = 300
"""Refused rows after which the simulator and the table are taken to disagree for good."""
REFUSED = ("fail", "unstable", "inconclusive")
"""Verdicts that take a row out; a run that is too short says nothing against it."""


@dataclass(frozen=True)
class Outcome:
    """A fleet of the program with its verdicts.

    first: the optimum before any row was refused.
    """

    solution: Solution
    first: Solution
    verdicts: tuple[PoolVerification, ...]
    refused: tuple[RefusedRow, ...]


def accept(design: Design, judge: Judge) -> Outcome:
    """The cheapest fleet that the simulator accepts, twice, the second time on fresh seeds.

    Raises InfeasibleError if the program runs out of fleets.
    """
    first = solution = design.optimum()
    refused: list[RefusedRow] = []
    while solution.holding is not Holding.NONE and len(refused) < MOST_REFUSALS:
        verdicts = verdicts_on(judge, solution)
        bad = [
            (*chosen, said)
            for chosen, said in zip(solution.chosen, verdicts, strict=True)
            if said.verdict in REFUSED
        ]
        if not bad:
            return Outcome(solution, first, tuple(verdicts), tuple(refused))
        for candidate, row, said in bad:
            refused.append(_refused(design, candidate, row, said))
            design.refuse(candidate, row.replicas)
        solution = design.optimum()
    raise InfeasibleError(
        f"no fleet passed the simulator: it refused {len(refused)} pools that the table would "
        "build; a longer SLO, more pools, looser limits or paged admission may help"
    )


def verdicts_on(judge: Judge, solution: Solution) -> list[PoolVerification]:
    """First verdicts on the pools; if all pass, the verdicts on fresh seeds."""
    pools = [judged(candidate, row) for candidate, row in solution.chosen]
    first = [judge.verdict(pool) for pool in pools]
    if any(said.verdict != "pass" for said in first):
        return first
    return [judge.verdict(pool, FRESH) for pool in pools]


def judged(candidate: Candidate, row: Row) -> Judged:
    """A chosen row as a pool to be judged."""
    return Judged(
        candidate.lo_tokens,
        candidate.hi_tokens,
        candidate.profile,
        row.replicas,
        candidate.arrival_rate,
    )


def _refused(design: Design, candidate: Candidate, row: Row, said: PoolVerification) -> RefusedRow:
    bound = design.case.problem.slo[0]
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
    )
