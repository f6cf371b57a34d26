"""What the user states: frozen, validated at the edge."""

from fleetopt.problem.faults import Stated as Stated
from fleetopt.problem.faults import structure as structure
from fleetopt.problem.faults import validate as validate
from fleetopt.problem.fleet import FleetProblem as FleetProblem
from fleetopt.problem.fleet import LatencyBound as LatencyBound
from fleetopt.problem.fleet import SolverOptions as SolverOptions
from fleetopt.problem.fleet import VerificationOptions as VerificationOptions
from fleetopt.problem.fleet import bound_keys as bound_keys
from fleetopt.problem.lengths import LengthCdf as LengthCdf
from fleetopt.problem.profile import PowerCurve as PowerCurve
from fleetopt.problem.profile import ProfileSpec as ProfileSpec
