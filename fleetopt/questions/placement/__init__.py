"""Placement for goodput: the largest rate per GPU at which a share of requests is in time.

Source: Y. Zhong et al., DistServe, OSDI 2024 (arXiv:2401.09670), section 4.
"""

from fleetopt.questions.placement.answer import Placed as Placed
from fleetopt.questions.placement.answer import Placement as Placement
from fleetopt.questions.placement.placing import place as place
