"""Why does a fleet miss its SLO, or what would bind first?"""

from fleetopt.questions.explain.answer import Explanation as Explanation
from fleetopt.questions.explain.answer import Finding as Finding
from fleetopt.questions.explain.causes import Cause as Cause
from fleetopt.questions.explain.explaining import explain as explain
from fleetopt.questions.explain.explaining import explain_scenario as explain_scenario
