"""Advice: the questions of the published summary from solves, and its rules put to the test."""

from fleetopt.questions.advice.advising import advise as advise
from fleetopt.questions.advice.answer import Advice as Advice
from fleetopt.questions.advice.answer import Answer as Answer
from fleetopt.questions.advice.ruling import RULES as RULES
from fleetopt.questions.advice.ruling import Rule as Rule
from fleetopt.questions.advice.ruling import Ruling as Ruling
from fleetopt.questions.advice.ruling import Traits as Traits
from fleetopt.questions.advice.side import Side as Side
