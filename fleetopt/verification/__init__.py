"""From a plan to the simulator's verdict, and the cut loops around it."""

from fleetopt.verification.acceptance import REFUSED, accept, verdicts_on
from fleetopt.verification.judge import Judge
from fleetopt.verification.outcome import Outcome, judged, judged_pools
from fleetopt.verification.phase_trials import METRICS_OF
from fleetopt.verification.recording import Recording
from fleetopt.verification.trace_judge import TraceJudge
from fleetopt.verification.verdicts import SHORTEST_RESIDENCES, overall
from fleetopt.verification.verifier import AFRESH, Judged, Together, Verifier

__all__ = [
    "AFRESH",
    "METRICS_OF",
    "REFUSED",
    "SHORTEST_RESIDENCES",
    "Judge",
    "Judged",
    "Outcome",
    "Recording",
    "Together",
    "TraceJudge",
    "Verifier",
    "accept",
    "judged",
    "judged_pools",
    "overall",
    "verdicts_on",
]
