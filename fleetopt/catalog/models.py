"""Problems: bundled models, and the user's own files."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from fleetopt.catalog.files import SourceFile, locate, read_parsed
from fleetopt.catalog.folders import models_folder
from fleetopt.errors import InputError, near
from fleetopt.problem import FleetProblem, validate


def model_names() -> list[str]:
    """Names of the bundled models."""
    return sorted(path.parent.name for path in models_folder().glob("*/problem.toml"))


def read_problem(name: str) -> tuple[FleetProblem, SourceFile]:
    """The problem of a TOML file, or of a bundled model's name. Raises InputError."""
    data, source = read_problem_keys(name)
    return validate(FleetProblem, data, str(source.path)), source


def read_problem_keys(name: str) -> tuple[dict[str, Any], SourceFile]:
    """The keys of a problem's TOML file, not validated yet. Raises InputError."""
    path = locate(name, [Path(name), Path(name) / "problem.toml"], _bundled_model(name))
    if path is None:
        hint = near(_model_name(name), model_names())
        raise InputError.single(repr(name), "no such problem file or bundled model", hint)
    data, source = read_parsed(path, tomllib.loads, "TOML")
    return data, source


def copy_model(name: str, folder: Path) -> None:
    """Copy a bundled model to a folder that does not exist yet, whole or not at all.

    Raises InputError.
    """
    bundled = _bundled_model(name)
    if bundled is None:
        raise InputError.single(repr(name), "no such bundled model", near(name, model_names()))
    try:
        if os.path.lexists(folder):
            raise FileExistsError(None, "it exists already")
        with tempfile.TemporaryDirectory(
            dir=folder.absolute().parent, prefix=".fleetopt-"
        ) as near_by:
            copy = shutil.copytree(
                bundled.parent,
                Path(near_by) / "model",
                ignore=shutil.ignore_patterns("__pycache__"),
            )
            copy.rename(folder)
    except OSError as error:
        text = f"cannot be made: {error.strerror}"
        raise InputError.single(repr(str(folder)), text) from None


def _bundled_model(name: str) -> Path | None:
    """The bundled file for 'lmsys', 'models/lmsys' or 'models/lmsys/problem.toml'."""
    stem = _model_name(name)
    spelled = (stem, f"models/{stem}", f"models/{stem}/problem.toml")
    known = stem in model_names() and Path(name).as_posix() in spelled
    return models_folder() / stem / "problem.toml" if known else None


def _model_name(name: str) -> str:
    path = Path(name)
    return path.parent.name if path.name == "problem.toml" else path.name
