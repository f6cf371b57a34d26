"""Questions about two pools with given GPUs: where to split, what to compress, what it costs."""

from fleetopt.questions.two_pools.asked import TwoPools as TwoPools
from fleetopt.questions.two_pools.optimize import Answer as Answer
from fleetopt.questions.two_pools.optimize import OnePool as OnePool
from fleetopt.questions.two_pools.optimize import Optimization as Optimization
from fleetopt.questions.two_pools.optimize import optimize as optimize
from fleetopt.questions.two_pools.sizes import PoolSize as PoolSize
from fleetopt.questions.two_pools.sizes import Sizes as Sizes
from fleetopt.questions.two_pools.split import Simulated as Simulated
from fleetopt.questions.two_pools.split import SimulatedSplit as SimulatedSplit
from fleetopt.questions.two_pools.split import Split as Split
from fleetopt.questions.two_pools.thresholds import Threshold as Threshold
from fleetopt.questions.two_pools.thresholds import Thresholds as Thresholds
from fleetopt.questions.two_pools.thresholds import simulate_thresholds as simulate_thresholds
from fleetopt.questions.two_pools.thresholds import thresholds as thresholds
