"""Reads what is bundled in data/ and models/, and the user's own files of the same kinds."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import (
    WORKLOAD_SCHEMA,
    FleetProblem,
    LengthCdf,
    ProfileSpec,
    Workload,
    validate,
)

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


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a problem names, read and checked.

    profiles: one for each of the problem's `gpus`, in their order.
    max_context: largest context of the fleet, in tokens.
    arrival_rate: requests per second; the workload file's if the problem states none.
    sources: the files behind the lengths and the profiles.
    """

    lengths: LengthCdf
    profiles: tuple[ProfileSpec, ...]
    max_context: int
    arrival_rate: float
    sources: tuple[SourceFile, ...]


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


def read_inputs(problem: FleetProblem, beside: Path | None = None) -> Inputs:
    """Read what a problem names; a relative file is looked up beside `beside` first.

    Raises InputError with every fault; a fault of the problem has its key as place.
    """
    faults: list[Fault] = []
    lengths, sources = _stated_lengths(problem, beside, faults)
    known = profiles_of(problem)
    for i, name in enumerate(problem.gpus):
        if name not in known:
            faults.append(Fault(f"gpus[{i}]", f"unknown GPU {name!r}", near(name, known)))
    faults += _side_faults(problem, known)
    max_context = problem.max_context or (lengths.max_tokens if lengths else None)
    if max_context is not None:
        faults += _threshold_faults(problem, max_context)
    if faults or lengths is None or max_context is None:
        raise InputError(faults)
    profiles = tuple(known[name] for name in problem.gpus)
    rate = problem.arrival_rate
    if isinstance(lengths, Workload):
        if lengths.arrivals is not None and "arrival_rate" not in problem.model_fields_set:
            rate = lengths.arrivals.rate
        lengths = lengths.lengths()
    return Inputs(lengths, profiles, max_context, rate, sources)


def profiles_of(problem: FleetProblem) -> dict[str, ProfileSpec]:
    """The bundled profiles by name, extended or replaced by the problem's own."""
    return {**read_profiles(), **{spec.name: spec for spec in problem.profiles}}


def read_lengths(name: str, beside: Path | None = None) -> tuple[LengthCdf, SourceFile]:
    """The length distribution of a file, or of a bundled workload's name.

    That of a workload file is a Workload. A relative path is looked up beside `beside`
    first. Raises InputError.
    """
    path = _locate(name, _places(name, beside), _bundled_workload(name))
    if path is None:
        hint = near(Path(name).stem.removesuffix("_cdf"), workload_names())
        raise InputError.single(repr(name), "no such file or bundled workload", hint)
    data, source = read_json(path)
    lengths = _workload(data, path) if _is_workload(data) else validate(LengthCdf, data, str(path))
    if lengths.name == "lengths":
        lengths = lengths.model_copy(update={"name": path.stem.removesuffix("_cdf")})
    return lengths, source


def find_file(name: str, beside: Path | None = None) -> Path:
    """A file of the user's; a relative path is looked up beside `beside` first.

    Raises InputError.
    """
    path = _locate(name, _places(name, beside), None)
    if path is None:
        raise InputError.single(repr(name), "no such file")
    return path


def read_profiles() -> dict[str, ProfileSpec]:
    """The bundled calibrated profiles by name."""
    path = data_folder() / "profiles.json"
    data, _ = read_json(path)
    specs = [
        validate(ProfileSpec, item, f"{path}, profiles[{i}]")
        for i, item in enumerate(data["profiles"])
    ]
    return {spec.name: spec for spec in specs}


def read_problem(name: str) -> tuple[FleetProblem, SourceFile]:
    """The problem of a TOML file, or of a bundled model's name. Raises InputError."""
    data, source = read_problem_keys(name)
    return validate(FleetProblem, data, str(source.path)), source


def read_problem_keys(name: str) -> tuple[dict[str, Any], SourceFile]:
    """The keys of a problem's TOML file, not validated yet. Raises InputError."""
    path = _locate(name, [Path(name), Path(name) / "problem.toml"], _bundled_model(name))
    if path is None:
        hint = near(_model_name(name), model_names())
        raise InputError.single(repr(name), "no such problem file or bundled model", hint)
    data, source = _read(path, tomllib.loads, "TOML")
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


def read_json(path: Path) -> tuple[Any, SourceFile]:
    """The content of a JSON file. Raises InputError."""
    return _read(path, _parse_json, "JSON")


def parse_json(text: str, path: Path) -> Any:
    """The content of a JSON text that came from `path`. Raises InputError."""
    return _parsed(text, path, _parse_json, "JSON")


def read_text(path: Path, kind: str = "text") -> tuple[str, SourceFile]:
    """A text file in UTF-8, with or without a byte order mark. Raises InputError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError.single(str(path), f"cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig"), SourceFile.of(path, content)
    except UnicodeDecodeError as error:
        text = f"expected {kind} in UTF-8; byte {error.start} is not"
        raise InputError.single(str(path), text) from None


def _is_workload(data: Any) -> bool:
    return isinstance(data, dict) and data.get("schema") == WORKLOAD_SCHEMA


def _workload(data: dict[str, Any], path: Path) -> Workload:
    keys = {key: value for key, value in data.items() if key != "schema"}
    return validate(Workload, keys, str(path))


def _places(name: str, beside: Path | None) -> list[Path]:
    return [*([beside / name] if beside is not None else []), Path(name)]


def _stated_lengths(
    problem: FleetProblem, beside: Path | None, faults: list[Fault]
) -> tuple[LengthCdf | None, tuple[SourceFile, ...]]:
    if isinstance(problem.cdf, LengthCdf):
        return problem.cdf, ()
    try:
        lengths, source = read_lengths(problem.cdf, beside)
    except InputError as error:
        faults += error.faults
        return None, ()
    return lengths, (source,)


def _side_faults(problem: FleetProblem, known: Mapping[str, ProfileSpec]) -> list[Fault]:
    """Faults of side constraints that name GPU types, or need what a profile does not tell."""
    types = {spec.gpu for spec in known.values()}
    faults = [
        Fault(f"inventory.{gpu}", f"unknown GPU type {gpu!r}", near(gpu, types))
        for gpu in problem.inventory
        if gpu not in types
    ]
    dark = [name for name in problem.gpus if name in known and known[name].power is None]
    if problem.power_kw is not None and dark:
        text = f"the profile {dark[0]!r} has no power curve"
        faults.append(Fault("power_kw", text, "give it one, or leave the profile or the cap out"))
    return faults


def _threshold_faults(problem: FleetProblem, max_context: int) -> list[Fault]:
    return [
        Fault(f"thresholds[{i}]", f"must be below the largest context {max_context}, got {tokens}")
        for i, tokens in enumerate(problem.thresholds or ())
        if tokens >= max_context
    ]


def _bundled(in_wheel: str, in_checkout: str) -> Path:
    wheel = _PACKAGE / in_wheel
    return wheel if wheel.is_dir() else _PACKAGE.parent / in_checkout


def _bundled_workload(name: str) -> Path | None:
    """The bundled file for 'lmsys', 'lmsys_cdf.json' or 'data/lmsys_cdf.json'."""
    stem = Path(name).name.removesuffix("_cdf.json")
    spelled = (stem, f"{stem}_cdf.json", f"data/{stem}_cdf.json")
    known = stem in workload_names() and Path(name).as_posix() in spelled
    return data_folder() / f"{stem}_cdf.json" if known else None


def _bundled_model(name: str) -> Path | None:
    """The bundled file for 'lmsys', 'models/lmsys' or 'models/lmsys/problem.toml'."""
    stem = _model_name(name)
    spelled = (stem, f"models/{stem}", f"models/{stem}/problem.toml")
    known = stem in model_names() and Path(name).as_posix() in spelled
    return models_folder() / stem / "problem.toml" if known else None


def _model_name(name: str) -> str:
    path = Path(name)
    return path.parent.name if path.name == "problem.toml" else path.name


def _locate(name: str, places: Sequence[Path], bundled: Path | None) -> Path | None:
    """The first place that holds something readable as a file, else the bundled file."""
    directory = False
    for path in places if name else ():
        if os.path.isdir(path):
            directory = True
        elif os.path.exists(path) or _is_hidden(path):
            return path
    if directory and bundled is None:
        raise InputError.single(name, "expected a file, this is a directory")
    return bundled


def _is_hidden(path: Path) -> bool:
    """Whether something may be there that cannot be looked at, such as in a closed folder."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _parse_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_repeats)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(f"the key {repeated[0]!r} appears twice")
    return dict(pairs)


def _read(path: Path, parse: Callable[[str], Any], kind: str) -> tuple[Any, SourceFile]:
    text, source = read_text(path, kind)
    if not text.strip() and kind == "JSON":
        raise InputError.single(str(path), f"expected {kind}, the file is empty")
    return _parsed(text, path, parse, kind), source


def _parsed(text: str, path: Path, parse: Callable[[str], Any], kind: str) -> Any:
    try:
        return parse(text)
    except RecursionError:
        raise InputError.single(str(path), f"expected {kind}; nested too deeply") from None
    except ValueError as error:
        raise InputError.single(str(path), f"expected {kind}: {error}") from None
