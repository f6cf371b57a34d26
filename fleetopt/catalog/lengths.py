"""Length distributions and workload files, bundled and the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetopt.catalog.files import SourceFile, locate, places, read_json
from fleetopt.catalog.folders import data_folder
from fleetopt.errors import InputError, near

if TYPE_CHECKING:
    from fleetopt.problem import LengthCdf, Workload


def workload_names() -> list[str]:
    """Names of the bundled workloads."""
    return sorted(path.name.removesuffix("_cdf.json") for path in data_folder().glob("*_cdf.json"))


def find_lengths(name: str, beside: Path | None = None) -> Path:
    """The file of a length distribution, or of a bundled workload's name.

    A relative path is looked up beside `beside` first. Raises InputError.
    """
    path = locate(name, places(name, beside), _bundled_workload(name))
    if path is None:
        hint = near(Path(name).stem.removesuffix("_cdf"), workload_names())
        raise InputError.single(repr(name), "no such file or bundled workload", hint)
    return path


def read_lengths(name: str, beside: Path | None = None) -> tuple[LengthCdf, SourceFile]:
    """The length distribution of a file, or of a bundled workload's name.

    That of a workload file is a Workload. Raises InputError.
    """
    from fleetopt.problem import LengthCdf, validate

    path = find_lengths(name, beside)
    data, source = read_json(path)
    lengths = _workload(data, path) if _is_workload(data) else validate(LengthCdf, data, str(path))
    if lengths.name == "lengths":
        lengths = lengths.model_copy(update={"name": named_after(path)})
    return lengths, source


def named_after(path: Path) -> str:
    """The name of a distribution that has none but its file's."""
    return path.stem.removesuffix("_cdf")


def _is_workload(data: Any) -> bool:
    from fleetopt.problem import WORKLOAD_SCHEMA

    return isinstance(data, dict) and data.get("schema") == WORKLOAD_SCHEMA


def _workload(data: dict[str, Any], path: Path) -> Workload:
    from fleetopt.problem import Workload, validate

    keys = {key: value for key, value in data.items() if key != "schema"}
    return validate(Workload, keys, str(path))


def _bundled_workload(name: str) -> Path | None:
    """The bundled file for 'lmsys', 'lmsys_cdf.json' or 'data/lmsys_cdf.json'."""
    stem = Path(name).name.removesuffix("_cdf.json")
    spelled = (stem, f"{stem}_cdf.json", f"data/{stem}_cdf.json")
    known = stem in workload_names() and Path(name).as_posix() in spelled
    return data_folder() / f"{stem}_cdf.json" if known else None
