"""From a plan to the simulator's verdict, and the cut loops around it.

The names load their modules when they are first used: a verdict needs no program.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "AFRESH": "verifier",
    "REFUSED": "acceptance",
    "SHORTEST_RESIDENCES": "verdicts",
    "Judge": "judge",
    "Judged": "verifier",
    "Outcome": "outcome",
    "Recording": "recording",
    "Together": "verifier",
    "TraceJudge": "trace_judge",
    "Verifier": "verifier",
    "accept": "acceptance",
    "METRICS_OF": "phase_trials",
    "judged": "outcome",
    "judged_pools": "outcome",
    "overall": "verdicts",
    "verdicts_on": "acceptance",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
