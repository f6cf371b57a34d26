"""What the user states: frozen, validated at the edge.

Statements that not every question needs load when they are asked for: building them takes time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetopt.lazy import names_of

if TYPE_CHECKING:
    from fleetopt.problem.catalogue import CATALOGUE_SCHEMA as CATALOGUE_SCHEMA
    from fleetopt.problem.catalogue import Catalogue as Catalogue
    from fleetopt.problem.coefficients import AnyProfileSpec as AnyProfileSpec
    from fleetopt.problem.coefficients import CoefficientSpec as CoefficientSpec
    from fleetopt.problem.disaggregation import PhasesApart as PhasesApart
    from fleetopt.problem.engine import EngineChoices as EngineChoices
    from fleetopt.problem.engine import EngineConfig as EngineConfig
    from fleetopt.problem.engine import EngineName as EngineName
    from fleetopt.problem.failures import AVAILABILITIES as AVAILABILITIES
    from fleetopt.problem.failures import FailureRates as FailureRates
    from fleetopt.problem.failures import node_availability as node_availability
    from fleetopt.problem.faults import Stated as Stated
    from fleetopt.problem.faults import structure as structure
    from fleetopt.problem.faults import validate as validate
    from fleetopt.problem.fleet import DRAW_LIMITS as DRAW_LIMITS
    from fleetopt.problem.fleet import FleetProblem as FleetProblem
    from fleetopt.problem.hardware import GpuSpec as GpuSpec
    from fleetopt.problem.hardware import LinkSpec as LinkSpec
    from fleetopt.problem.hardware import PriceSpec as PriceSpec
    from fleetopt.problem.lengths import MAX_TOKENS as MAX_TOKENS
    from fleetopt.problem.lengths import JointLengths as JointLengths
    from fleetopt.problem.lengths import LengthCdf as LengthCdf
    from fleetopt.problem.links import LinkStatement as LinkStatement
    from fleetopt.problem.llm import LlmSpec as LlmSpec
    from fleetopt.problem.options import SolverOptions as SolverOptions
    from fleetopt.problem.options import VerificationOptions as VerificationOptions
    from fleetopt.problem.phases import Phase as Phase
    from fleetopt.problem.phases import PhaseLink as PhaseLink
    from fleetopt.problem.profile import PowerCurve as PowerCurve
    from fleetopt.problem.profile import ProfileSpec as ProfileSpec
    from fleetopt.problem.router import RouterStatement as RouterStatement
    from fleetopt.problem.series import SERIES as SERIES
    from fleetopt.problem.series import HourlySeries as HourlySeries
    from fleetopt.problem.sessions import SessionStatement as SessionStatement
    from fleetopt.problem.simulation import FleetSimulation as FleetSimulation
    from fleetopt.problem.simulation import PoolStatement as PoolStatement
    from fleetopt.problem.simulation import RecordedTraffic as RecordedTraffic
    from fleetopt.problem.simulation import WorkloadShare as WorkloadShare
    from fleetopt.problem.slo import LatencyBound as LatencyBound
    from fleetopt.problem.slo import bound_keys as bound_keys
    from fleetopt.problem.trace import TraceSource as TraceSource
    from fleetopt.problem.whatif import Growth as Growth
    from fleetopt.problem.whatif import WhatIf as WhatIf
    from fleetopt.problem.workload import WORKLOAD_SCHEMA as WORKLOAD_SCHEMA
    from fleetopt.problem.workload import ArrivalFigures as ArrivalFigures
    from fleetopt.problem.workload import RateProfile as RateProfile
    from fleetopt.problem.workload import RecordedFile as RecordedFile
    from fleetopt.problem.workload import Workload as Workload

_HOMES = {
    "AVAILABILITIES": "fleetopt.problem.failures",
    "AnyProfileSpec": "fleetopt.problem.coefficients",
    "ArrivalFigures": "fleetopt.problem.workload",
    "CATALOGUE_SCHEMA": "fleetopt.problem.catalogue",
    "Catalogue": "fleetopt.problem.catalogue",
    "CoefficientSpec": "fleetopt.problem.coefficients",
    "DRAW_LIMITS": "fleetopt.problem.fleet",
    "EngineChoices": "fleetopt.problem.engine",
    "EngineConfig": "fleetopt.problem.engine",
    "EngineName": "fleetopt.problem.engine",
    "FailureRates": "fleetopt.problem.failures",
    "FleetProblem": "fleetopt.problem.fleet",
    "FleetSimulation": "fleetopt.problem.simulation",
    "GpuSpec": "fleetopt.problem.hardware",
    "Growth": "fleetopt.problem.whatif",
    "HourlySeries": "fleetopt.problem.series",
    "JointLengths": "fleetopt.problem.lengths",
    "LatencyBound": "fleetopt.problem.slo",
    "LengthCdf": "fleetopt.problem.lengths",
    "LinkSpec": "fleetopt.problem.hardware",
    "LinkStatement": "fleetopt.problem.links",
    "LlmSpec": "fleetopt.problem.llm",
    "MAX_TOKENS": "fleetopt.problem.lengths",
    "Phase": "fleetopt.problem.phases",
    "PhaseLink": "fleetopt.problem.phases",
    "PhasesApart": "fleetopt.problem.disaggregation",
    "PoolStatement": "fleetopt.problem.simulation",
    "PowerCurve": "fleetopt.problem.profile",
    "PriceSpec": "fleetopt.problem.hardware",
    "ProfileSpec": "fleetopt.problem.profile",
    "RateProfile": "fleetopt.problem.workload",
    "RecordedFile": "fleetopt.problem.workload",
    "RecordedTraffic": "fleetopt.problem.simulation",
    "RouterStatement": "fleetopt.problem.router",
    "SERIES": "fleetopt.problem.series",
    "SessionStatement": "fleetopt.problem.sessions",
    "SolverOptions": "fleetopt.problem.options",
    "Stated": "fleetopt.problem.faults",
    "TraceSource": "fleetopt.problem.trace",
    "VerificationOptions": "fleetopt.problem.options",
    "WORKLOAD_SCHEMA": "fleetopt.problem.workload",
    "WhatIf": "fleetopt.problem.whatif",
    "Workload": "fleetopt.problem.workload",
    "WorkloadShare": "fleetopt.problem.simulation",
    "bound_keys": "fleetopt.problem.slo",
    "node_availability": "fleetopt.problem.failures",
    "structure": "fleetopt.problem.faults",
    "validate": "fleetopt.problem.faults",
}

__getattr__ = names_of(__name__, _HOMES)
