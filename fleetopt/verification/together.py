"""The cut loop of scope fleet: all requests together are held to the SLO.

When a fleet does not pass, what the simulator measured takes the place of the table's misses,
and the program is solved again without that fleet: where its verdict is open, or turned on
fresh seeds, the measured misses might let it through again.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.errors import InfeasibleError
from fleetopt.optimization.design import Design
from fleetopt.optimization.solution import raise_unless_told
from fleetopt.optimization.solver import Holding, Solution
from fleetopt.plan import RefusedRow
from fleetopt.verification.lookahead import LookAhead
from fleetopt.verification.outcome import MOST_REFUSALS, Outcome, judged, refused_row
from fleetopt.verification.verifier import FRESH, Judged, Together, Verifier

_ACCEPTED = ("pass", "too short")
"""Verdicts that end the loop; a run that is too short says nothing against a fleet."""


def accept_together(design: Design, judge: Verifier) -> Outcome:
    """The cheapest fleet whose requests together attain the SLO, twice, in the simulator.

    Raises InfeasibleError if the program runs out of fleets, and StoppedError if a limit
    stops the solver before it finds one.
    """
    first = solution = design.optimum()
    rows: list[RefusedRow] = []
    fleets: list[tuple[Solution, Together]] = []
    ahead = LookAhead(design, judge)
    while solution.holding is not Holding.NONE and len(rows) + len(fleets) < MOST_REFUSALS:
        pools = [judged(candidate, row) for candidate, row in solution.chosen]
        said = _said(judge, pools)
        if said.verdict in _ACCEPTED:
            return Outcome(solution, first, said.pools, tuple(rows), said, tuple(fleets))
        if said.verdict == "unstable":
            rows += _refuse_unstable(design, solution, said)
        else:
            fleets.append((solution, said))
            design.exclude(solution.chosen)
            design.measure(ahead.misses(solution.chosen))
        solution = design.optimum()
    raise_unless_told(solution)
    raise InfeasibleError(
        f"no fleet passed the simulator: it refused {len(fleets)} fleets and {len(rows)} unstable "
        "pools that the table would build; a longer SLO, more pools, looser limits or paged "
        "admission may help"
    )


def _said(judge: Verifier, pools: Sequence[Judged]) -> Together:
    """The first verdict on a fleet; if it passes, the verdict on fresh seeds."""
    first = judge.together(pools)
    return judge.together(pools, FRESH) if first.verdict == "pass" else first


def _refuse_unstable(design: Design, solution: Solution, said: Together) -> list[RefusedRow]:
    """Take out the rows whose pools do not keep up."""
    refused = []
    for (candidate, row), seen in zip(solution.chosen, said.pools, strict=True):
        if seen.verdict == "unstable":
            refused.append(refused_row(design, candidate, row, seen))
            design.refuse(candidate, row.replicas)
    return refused
