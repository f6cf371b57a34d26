"""When to disaggregate: prefill and decode on replicas of their own, beside aggregated pools.

`designed.design_phases` answers by the program and the simulator. `disaggregate` counts every fleet
twice by mean rates: `published` is the published rule, which leaves the prompt out of decode, and
`corrected` counts decode with the prompt's KV, and aggregated pools by fleetopt's table.
"""

from fleetopt.questions.disaggregation.answer import Disaggregation as Disaggregation
from fleetopt.questions.disaggregation.answer import answer as answer
from fleetopt.questions.disaggregation.answer import disaggregate as disaggregate
from fleetopt.questions.disaggregation.asked import Question as Question
from fleetopt.questions.disaggregation.costs import CostsOverRates as CostsOverRates
from fleetopt.questions.disaggregation.costs import costs_over_rates as costs_over_rates
from fleetopt.questions.disaggregation.fleets import Aggregated as Aggregated
from fleetopt.questions.disaggregation.fleets import Apart as Apart
from fleetopt.questions.disaggregation.fleets import Pair as Pair
from fleetopt.questions.disaggregation.fleets import Together as Together
