"""From a plan to the simulator's verdict, and the cut loops around it."""

from fleetopt.verification.acceptance import REFUSED, accept, verdicts_on
from fleetopt.verification.judge import AFRESH, Judge, Judged, Together
from fleetopt.verification.outcome import Outcome, judged
from fleetopt.verification.verdicts import SHORTEST_RESIDENCES, overall

__all__ = [
    "AFRESH",
    "REFUSED",
    "SHORTEST_RESIDENCES",
    "Judge",
    "Judged",
    "Outcome",
    "Together",
    "accept",
    "judged",
    "overall",
    "verdicts_on",
]
