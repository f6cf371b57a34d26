"""What fleets draw: tokens per watt, and how much power can be shed."""

from fleetopt.questions.energy.grid import GridFlex as GridFlex
from fleetopt.questions.energy.grid import grid_flex as grid_flex
from fleetopt.questions.energy.simulated import Runs as Runs
from fleetopt.questions.energy.split import SplitEnergy as SplitEnergy
from fleetopt.questions.energy.split import split_tokens_per_watt as split_tokens_per_watt
from fleetopt.questions.energy.tokens_per_watt import TokensPerWatt as TokensPerWatt
from fleetopt.questions.energy.tokens_per_watt import tokens_per_watt as tokens_per_watt
