"""Reads what is bundled in data/ and models/, and the user's own files of the same kinds.

Readers that not every question needs load when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetopt.catalog.files import SourceFile as SourceFile
from fleetopt.catalog.files import find_file as find_file
from fleetopt.catalog.files import parse_json as parse_json
from fleetopt.catalog.files import read_json as read_json
from fleetopt.catalog.files import read_text as read_text
from fleetopt.catalog.folders import data_folder as data_folder
from fleetopt.catalog.folders import models_folder as models_folder
from fleetopt.lazy import names_of

if TYPE_CHECKING:
    from fleetopt.catalog.huggingface import read_config as read_config
    from fleetopt.catalog.huggingface import read_llm as read_llm
    from fleetopt.catalog.inputs import Inputs as Inputs
    from fleetopt.catalog.inputs import bundled_profiles as bundled_profiles
    from fleetopt.catalog.inputs import profiles_of as profiles_of
    from fleetopt.catalog.inputs import read_inputs as read_inputs
    from fleetopt.catalog.inputs import read_measured_profiles as read_measured_profiles
    from fleetopt.catalog.inputs import read_profiles as read_profiles
    from fleetopt.catalog.lengths import read_lengths as read_lengths
    from fleetopt.catalog.lengths import workload_names as workload_names
    from fleetopt.catalog.machines import Gpu as Gpu
    from fleetopt.catalog.machines import Machines as Machines
    from fleetopt.catalog.machines import read_catalogue as read_catalogue
    from fleetopt.catalog.machines import read_machines as read_machines
    from fleetopt.catalog.models import copy_model as copy_model
    from fleetopt.catalog.models import model_names as model_names
    from fleetopt.catalog.models import read_problem as read_problem
    from fleetopt.catalog.models import read_problem_keys as read_problem_keys

_HOMES = {
    "Gpu": "fleetopt.catalog.machines",
    "Inputs": "fleetopt.catalog.inputs",
    "Machines": "fleetopt.catalog.machines",
    "bundled_profiles": "fleetopt.catalog.inputs",
    "copy_model": "fleetopt.catalog.models",
    "model_names": "fleetopt.catalog.models",
    "profiles_of": "fleetopt.catalog.inputs",
    "read_catalogue": "fleetopt.catalog.machines",
    "read_config": "fleetopt.catalog.huggingface",
    "read_inputs": "fleetopt.catalog.inputs",
    "read_lengths": "fleetopt.catalog.lengths",
    "read_llm": "fleetopt.catalog.huggingface",
    "read_machines": "fleetopt.catalog.machines",
    "read_measured_profiles": "fleetopt.catalog.inputs",
    "read_problem": "fleetopt.catalog.models",
    "read_problem_keys": "fleetopt.catalog.models",
    "read_profiles": "fleetopt.catalog.inputs",
    "workload_names": "fleetopt.catalog.lengths",
}

__getattr__ = names_of(__name__, _HOMES)
