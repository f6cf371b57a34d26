"""From a plan to the simulator's verdict, pool by pool, and the cut loop around it."""

from fleetopt.verification.acceptance import REFUSED, Outcome, accept, judged, verdicts_on
from fleetopt.verification.judge import Judge, Judged
from fleetopt.verification.verdicts import SHORTEST_RESIDENCES, overall

__all__ = [
    "REFUSED",
    "SHORTEST_RESIDENCES",
    "Judge",
    "Judged",
    "Outcome",
    "accept",
    "judged",
    "overall",
    "verdicts_on",
]
