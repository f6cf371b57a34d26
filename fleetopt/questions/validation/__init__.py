"""Simulated latencies against measured ones, every group predicted from the others."""

from fleetopt.questions.validation.answer import Errors as Errors
from fleetopt.questions.validation.answer import Validation as Validation
from fleetopt.questions.validation.answer import validation as validation
from fleetopt.questions.validation.held_out import Compared as Compared
