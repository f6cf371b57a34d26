"""Saved plans that a command reads."""

from __future__ import annotations

from fleetopt.catalog import find_file, read_json
from fleetopt.errors import Fault, InputError
from fleetopt.plan import Plan


def read_plans(*names: str) -> list[Plan]:
    """The plans of files; raises InputError with the faults of all of them."""
    plans, faults = [], list[Fault]()
    for name in names:
        try:
            data, _ = read_json(find_file(name))
            plans.append(Plan.from_dict(data, name))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return plans
