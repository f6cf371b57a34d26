"""The cut loop: the cheapest fleet of the program that the simulator accepts.

A row that does not pass leaves the program, with those of fewer replicas, and the program
is solved again. A judge that knows the least replicas that pass takes out all rows below it.
"""

from __future__ import annotations

from fleetopt.errors import InfeasibleError
from fleetopt.optimization.design import Design
from fleetopt.optimization.solution import raise_unless_told
from fleetopt.optimization.solver import Holding, Solution
from fleetopt.plan import PoolVerification, RefusedRow
from fleetopt.verification.lookahead import LookAhead
from fleetopt.verification.outcome import MOST_REFUSALS, Outcome, judged_pools, refused_row
from fleetopt.verification.together import accept_together
from fleetopt.verification.verifier import FRESH, Verifier

REFUSED = ("fail", "unstable", "inconclusive")
"""Verdicts that take a row out; a run that is too short says nothing against it."""


def accept(design: Design, judge: Verifier) -> Outcome:
    """The cheapest fleet that the simulator accepts, twice, the second time on fresh seeds.

    Raises InfeasibleError if the program runs out of fleets, and StoppedError if a limit
    stops the solver before it finds one.
    """
    if design.case.problem.slo_scope == "fleet":
        return accept_together(design, judge)
    return _accept_pools(design, judge)


def _accept_pools(design: Design, judge: Verifier) -> Outcome:
    first = solution = design.optimum()
    refused: list[RefusedRow] = []
    ahead = LookAhead(design, judge)
    while solution.holding is not Holding.NONE and len(refused) < MOST_REFUSALS:
        verdicts = verdicts_on(judge, solution)
        bad = [
            (*chosen, said)
            for chosen, said in zip(solution.chosen, verdicts, strict=True)
            if said.verdict in REFUSED
        ]
        if not bad:
            return Outcome(solution, first, tuple(verdicts), tuple(refused))
        cuts = []
        for candidate, row, said in bad:
            needs = ahead.needs(candidate, row)
            refused.append(refused_row(design, candidate, row, said, needs))
            cuts.append((candidate, row.replicas if needs is None else needs - 1))
        design.refuse_all([*cuts, *ahead.others()])
        solution = design.optimum()
    raise_unless_told(solution)
    raise InfeasibleError(
        f"no fleet passed the simulator: it refused {len(refused)} pools that the table would "
        "build; a longer SLO, more pools, looser limits or paged admission may help"
    )


def verdicts_on(judge: Verifier, solution: Solution) -> list[PoolVerification]:
    """First verdicts on the pools; if all pass, the verdicts on fresh seeds."""
    pools = judged_pools(judge.case, solution.chosen)
    first = [judge.verdict(pool) for pool in pools]
    if any(said.verdict != "pass" for said in first):
        return first
    return [judge.verdict(pool, FRESH) for pool in pools]
