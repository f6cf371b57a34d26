"""Reads what is bundled in data/ and models/, and the user's own files of the same kinds."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetopt.errors import InputError, near
from fleetopt.problem import FleetProblem, LengthCdf, ProfileSpec, validate

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that an answer was computed from."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path, content: bytes) -> SourceFile:
        """The record of a file already read."""
        return cls(path, hashlib.sha256(content).hexdigest())


def data_folder() -> Path:
    """Where the bundled catalogues are, in a wheel or in a checkout."""
    return _bundled("_data", "data")


def models_folder() -> Path:
    """Where the bundled models are, in a wheel or in a checkout."""
    return _bundled("_models", "models")


def workload_names() -> list[str]:
    """Names of the bundled workloads."""
    return sorted(path.name.removesuffix("_cdf.json") for path in data_folder().glob("*_cdf.json"))


def model_names() -> list[str]:
    """Names of the bundled models."""
    return sorted(path.parent.name for path in models_folder().glob("*/problem.toml"))


def read_lengths(name: str, beside: Path | None = None) -> tuple[LengthCdf, SourceFile]:
    """The length distribution of a file, or of a bundled workload's name.

    A relative path is looked up beside `beside` first. Raises InputError.
    """
    path = _locate(name, beside, data_folder() / _cdf_file_name(name), "workload", workload_names())
    data, source = _read(path, json.loads, "JSON")
    lengths = validate(LengthCdf, data, str(path))
    if lengths.name == "lengths":
        lengths = lengths.model_copy(update={"name": path.stem.removesuffix("_cdf")})
    return lengths, source


def read_profiles() -> dict[str, ProfileSpec]:
    """The bundled calibrated profiles by name."""
    path = data_folder() / "profiles.json"
    data, _ = _read(path, json.loads, "JSON")
    specs = [
        validate(ProfileSpec, item, f"{path}, profiles[{i}]")
        for i, item in enumerate(data["profiles"])
    ]
    return {spec.name: spec for spec in specs}


def read_problem(name: str) -> tuple[FleetProblem, SourceFile]:
    """The problem of a TOML file, or of a bundled model's name. Raises InputError."""
    bundled = models_folder() / _model_name(name) / "problem.toml"
    path = _locate(name, None, bundled, "model", model_names())
    data, source = _read(path, tomllib.loads, "TOML")
    return validate(FleetProblem, data, str(path)), source


def _bundled(in_wheel: str, in_checkout: str) -> Path:
    wheel = _PACKAGE / in_wheel
    return wheel if wheel.is_dir() else _PACKAGE.parent / in_checkout


def _cdf_file_name(name: str) -> str:
    last = Path(name).name
    return last if last.endswith(".json") else f"{last}_cdf.json"


def _model_name(name: str) -> str:
    path = Path(name)
    return path.parent.name if path.name == "problem.toml" else path.name


def _locate(name: str, beside: Path | None, bundled: Path, kind: str, known: list[str]) -> Path:
    """An existing file as it is named, beside another file, or the bundled one."""
    if beside is not None and (beside / name).is_file():
        return beside / name
    for path in (Path(name), Path(name) / "problem.toml"):
        if path.is_file():
            return path
    if bundled.is_file():
        return bundled
    raise InputError.single(
        name, f"no such file, and no bundled {kind} of this name", near(name, known)
    )


def _read(path: Path, parse: Callable[[str], Any], kind: str) -> tuple[Any, SourceFile]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError.single(str(path), f"cannot be read: {error.strerror}") from None
    try:
        return parse(content.decode("utf-8-sig")), SourceFile.of(path, content)
    except UnicodeDecodeError as error:
        raise InputError.single(
            str(path), f"expected {kind} in UTF-8; byte {error.start} is not"
        ) from None
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError.single(str(path), f"expected {kind}: {error}") from None
