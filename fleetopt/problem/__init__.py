"""What the user states: frozen, validated at the edge."""

from fleetopt.problem.disaggregation import PhasesApart as PhasesApart
from fleetopt.problem.faults import Stated as Stated
from fleetopt.problem.faults import structure as structure
from fleetopt.problem.faults import validate as validate
from fleetopt.problem.fleet import FleetProblem as FleetProblem
from fleetopt.problem.fleet import LatencyBound as LatencyBound
from fleetopt.problem.fleet import SolverOptions as SolverOptions
from fleetopt.problem.fleet import VerificationOptions as VerificationOptions
from fleetopt.problem.fleet import bound_keys as bound_keys
from fleetopt.problem.lengths import MAX_TOKENS as MAX_TOKENS
from fleetopt.problem.lengths import JointLengths as JointLengths
from fleetopt.problem.lengths import LengthCdf as LengthCdf
from fleetopt.problem.profile import PowerCurve as PowerCurve
from fleetopt.problem.profile import ProfileSpec as ProfileSpec
from fleetopt.problem.router import RouterStatement as RouterStatement
from fleetopt.problem.simulation import FailureRates as FailureRates
from fleetopt.problem.simulation import FleetSimulation as FleetSimulation
from fleetopt.problem.simulation import PoolStatement as PoolStatement
from fleetopt.problem.simulation import RecordedTraffic as RecordedTraffic
from fleetopt.problem.simulation import WorkloadShare as WorkloadShare
from fleetopt.problem.trace import TraceSource as TraceSource
from fleetopt.problem.workload import WORKLOAD_SCHEMA as WORKLOAD_SCHEMA
from fleetopt.problem.workload import ArrivalFigures as ArrivalFigures
from fleetopt.problem.workload import RateProfile as RateProfile
from fleetopt.problem.workload import RecordedFile as RecordedFile
from fleetopt.problem.workload import Workload as Workload
