"""Iteration time from first principles: each step takes as long as its tightest roof says.

A step moves bytes, multiplies numbers or waits for a link. It takes

    t = max(flops / (e_c peak), bytes / (e_m bandwidth)) + kernel     seconds,

and an iteration is the sum of its steps over all layers (Williams et al. 2009, "Roofline").
"""

from fleetopt.performance.roofline.efficiency import UNCALIBRATED as UNCALIBRATED
from fleetopt.performance.roofline.efficiency import Efficiency as Efficiency
from fleetopt.performance.roofline.profile import RooflineProfile as RooflineProfile
from fleetopt.performance.roofline.roofs import Step as Step
from fleetopt.performance.roofline.steps import Load as Load
from fleetopt.performance.roofline.steps import iteration_seconds as iteration_seconds
from fleetopt.performance.roofline.steps import steps as steps
