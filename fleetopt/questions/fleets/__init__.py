"""How does a fleet fare on this traffic, and which router suits it?"""

from fleetopt.questions.fleets.answer import Simulation as Simulation
from fleetopt.questions.fleets.comparison import RouterComparison as RouterComparison
from fleetopt.questions.fleets.comparison import compare_routers as compare_routers
from fleetopt.questions.fleets.comparison import compare_scenario as compare_scenario
from fleetopt.questions.fleets.plans import plan_statement as plan_statement
from fleetopt.questions.fleets.scenario import Scenario as Scenario
from fleetopt.questions.fleets.scenario import scenario_of as scenario_of
from fleetopt.questions.fleets.simulating import simulate as simulate
from fleetopt.questions.fleets.simulating import simulate_scenario as simulate_scenario
