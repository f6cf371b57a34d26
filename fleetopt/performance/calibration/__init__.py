"""A roofline calibrated by measured runs: a few constants for each engine, GPU and model.

Unmeasured engines, GPUs and models fall back to what was found for the others.
"""

from fleetopt.performance.calibration.bundled import reached_with as reached_with
from fleetopt.performance.calibration.calibrated import Calibrated as Calibrated
from fleetopt.performance.calibration.constants import NONE as NONE
from fleetopt.performance.calibration.constants import Constants as Constants
from fleetopt.performance.calibration.constants import Factors as Factors
from fleetopt.performance.calibration.equation import DECODING as DECODING
from fleetopt.performance.calibration.equation import FIRST_TOKEN as FIRST_TOKEN
from fleetopt.performance.calibration.equation import first_token_names as first_token_names
from fleetopt.performance.calibration.equation import level_names as level_names
from fleetopt.performance.calibration.outside import FirstToken as FirstToken
from fleetopt.performance.calibration.record import Error as Error
from fleetopt.performance.calibration.record import Record as Record
from fleetopt.performance.calibration.regression import Rows as Rows
from fleetopt.performance.calibration.seconds import CAUSES as CAUSES
from fleetopt.performance.calibration.seconds import decode_units as decode_units
from fleetopt.performance.calibration.seconds import prompt_units as prompt_units
