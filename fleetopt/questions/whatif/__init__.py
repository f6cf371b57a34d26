"""What if the arrival rate grows, and what if the GPU were another?"""

from fleetopt.questions.whatif.growth import GrowingFleet as GrowingFleet
from fleetopt.questions.whatif.growth import SizedFleet as SizedFleet
from fleetopt.questions.whatif.growth import when_to_add as when_to_add
from fleetopt.questions.whatif.staircase import Reach as Reach
from fleetopt.questions.whatif.staircase import Step as Step
from fleetopt.questions.whatif.staircase import staircase as staircase
