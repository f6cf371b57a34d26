"""What fleets draw: tokens per watt, and how much power can be shed."""

from fleetopt.questions.energy.tokens_per_watt import TokensPerWatt as TokensPerWatt
from fleetopt.questions.energy.tokens_per_watt import tokens_per_watt as tokens_per_watt
