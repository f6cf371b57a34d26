"""The bundled constants of the calibration, as they were written."""

from __future__ import annotations

from typing import Any

from fleetopt.catalog.files import read_json
from fleetopt.catalog.folders import data_folder


def bundled_calibration() -> dict[str, Any]:
    """The content of data/calibration.json."""
    content, _ = read_json(data_folder() / "calibration.json")
    return dict(content)
