"""Routers: which pool, and for some which replica, a request is sent to."""

from fleetopt.simulation.routing.balance import FewestSequences as FewestSequences
from fleetopt.simulation.routing.balance import PowerOfTwo as PowerOfTwo
from fleetopt.simulation.routing.balance import Spillover as Spillover
from fleetopt.simulation.routing.blind import RandomPool as RandomPool
from fleetopt.simulation.routing.blind import RoundRobin as RoundRobin
from fleetopt.simulation.routing.by_length import ByLength as ByLength
from fleetopt.simulation.routing.by_model import ByModel as ByModel
from fleetopt.simulation.routing.compress import CompressAndRoute as CompressAndRoute
from fleetopt.simulation.routing.knowledge import LengthKnowledge as LengthKnowledge
from fleetopt.simulation.routing.prefix import PrefixAware as PrefixAware
from fleetopt.simulation.routing.router import Router as Router
from fleetopt.simulation.routing.router import Routing as Routing
from fleetopt.simulation.routing.semantic import Semantic as Semantic
