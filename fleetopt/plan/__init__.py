"""A plan: a fleet with its predictions, verification, bound and provenance.

Every class here is a frozen result.
"""

from fleetopt.plan.document import MIXED as MIXED
from fleetopt.plan.document import ONE_POOL_OF as ONE_POOL_OF
from fleetopt.plan.document import SCHEMA as SCHEMA
from fleetopt.plan.document import TWO_POOLS_OF as TWO_POOLS_OF
from fleetopt.plan.document import Alternative as Alternative
from fleetopt.plan.document import Plan as Plan
from fleetopt.plan.document import Provenance as Provenance
from fleetopt.plan.document import Status as Status
from fleetopt.plan.fleet import HOURS_PER_YEAR as HOURS_PER_YEAR
from fleetopt.plan.fleet import Cost as Cost
from fleetopt.plan.fleet import Fleet as Fleet
from fleetopt.plan.fleet import Pool as Pool
from fleetopt.plan.prediction import BoundPrediction as BoundPrediction
from fleetopt.plan.prediction import PoolPrediction as PoolPrediction
from fleetopt.plan.prediction import Prediction as Prediction
from fleetopt.plan.verification import Interval as Interval
from fleetopt.plan.verification import PoolVerification as PoolVerification
from fleetopt.plan.verification import RecordedTraffic as RecordedTraffic
from fleetopt.plan.verification import RefusedFleet as RefusedFleet
from fleetopt.plan.verification import RefusedRow as RefusedRow
from fleetopt.plan.verification import Verdict as Verdict
from fleetopt.plan.verification import Verification as Verification
