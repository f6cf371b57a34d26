"""The fleets that no other beats in both of two objectives."""

from fleetopt.questions.frontier.answer import Axis as Axis
from fleetopt.questions.frontier.answer import Frontier as Frontier
from fleetopt.questions.frontier.answer import FrontierPoint as FrontierPoint
from fleetopt.questions.frontier.asking import checked_objectives as checked_objectives
from fleetopt.questions.frontier.asking import frontier as frontier
