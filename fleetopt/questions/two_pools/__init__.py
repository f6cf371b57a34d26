"""Questions about two pools with given GPUs: their problem, their sizes, what they cost."""

from fleetopt.questions.two_pools.asked import TwoPools as TwoPools
from fleetopt.questions.two_pools.sizes import PoolSize as PoolSize
from fleetopt.questions.two_pools.sizes import Sizes as Sizes
