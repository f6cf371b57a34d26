"""Failures and repairs as the fleet's kernel takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fleetopt.simulation.fleet_records import Faults

_FAULT = np.dtype([("time_s", "f8"), ("first", "i8"), ("last", "i8"), ("down", "i8")])


def new_faults(faults: Faults) -> Any:
    """Records of failures and repairs, in order of time."""
    records = np.zeros(faults.time_s.size, dtype=_FAULT)
    for name in faults._fields:
        records[name] = getattr(faults, name)
    return records
