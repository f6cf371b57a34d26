"""From a plan to the simulator's verdict, and the cut loops around it.

The names load their modules when they are first used: a verdict needs no program.
"""

from typing import TYPE_CHECKING

from fleetopt.lazy import names_of

if TYPE_CHECKING:
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

_HOMES = {
    "AFRESH": "fleetopt.verification.verifier",
    "REFUSED": "fleetopt.verification.acceptance",
    "SHORTEST_RESIDENCES": "fleetopt.verification.verdicts",
    "Judge": "fleetopt.verification.judge",
    "Judged": "fleetopt.verification.verifier",
    "Outcome": "fleetopt.verification.outcome",
    "Recording": "fleetopt.verification.recording",
    "Together": "fleetopt.verification.verifier",
    "TraceJudge": "fleetopt.verification.trace_judge",
    "Verifier": "fleetopt.verification.verifier",
    "accept": "fleetopt.verification.acceptance",
    "METRICS_OF": "fleetopt.verification.phase_trials",
    "judged": "fleetopt.verification.outcome",
    "judged_pools": "fleetopt.verification.outcome",
    "overall": "fleetopt.verification.verdicts",
    "verdicts_on": "fleetopt.verification.acceptance",
}

__getattr__ = names_of(__name__, _HOMES)
