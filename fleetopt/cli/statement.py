"""From options and a problem file to a checked problem, with every fault at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fleetopt.catalog import Inputs
from fleetopt.cli.options import ProblemOption
from fleetopt.cli.options import given_options as given_options
from fleetopt.errors import ExtensionError, Fault, InputError
from fleetopt.extension import Extension, read_extension
from fleetopt.inputs import inputs_of
from fleetopt.problem import SERIES, FleetProblem, bound_keys, validate
from fleetopt.report.export import check_writable

Given = Mapping[ProblemOption, Any]


@dataclass(frozen=True)
class Statement:
    """A checked problem, what it names, and where its relative files are looked up.

    origins: option behind each key that an option set.
    extension: the Python file that the problem names, permitted.
    """

    problem: FleetProblem
    inputs: Inputs
    beside: Path | None
    place: str
    origins: Mapping[str, str]
    extension: Extension | None = None

    def in_the_users_words(self, error: InputError) -> InputError:
        """The same faults, each named by the option or the file that it came from."""
        if isinstance(error, ExtensionError):
            return error
        return InputError(named(error.faults, self.place, self.origins))


def state(
    file: str | None,
    given: Given,
    output: str | None = None,
    others: Sequence[Fault] = (),
    *,
    allow_python: bool | None = None,
) -> Statement:
    """The problem of a file (or the default problem) with the given options over it.

    others: faults of what else the user gave, to be told together with these.
    allow_python: permit the problem's extension, if it names one that is not bundled; None
        where the command runs none, which is a fault then.
    Raises InputError with the faults of the file, the options, the files that they name
    and the output path.
    """
    keys: dict[str, Any] = {}
    place, folder = "", None
    if file is not None:
        from fleetopt.catalog import read_problem_keys

        keys, source = read_problem_keys(file)
        place, folder = str(source.path), source.path.parent
    named = {"cdf", "trace.path"} & {option.key for option in given}
    beside = None if named else folder
    extension, faults = _extension(keys, place, folder, allow_python)
    stated = _stated(keys, given, place, beside, faults, [*output_faults(output), *others])
    return replace(stated, extension=extension)


def restate(problem: FleetProblem, given: Given, output: str | None = None) -> FleetProblem:
    """A problem with the given options over it. Raises InputError with every fault."""
    keys, origins = overlaid(problem.model_dump(mode="json", exclude_none=True), given)
    try:
        stated = validate(FleetProblem, keys, "")
    except InputError as error:
        faults = named(error.faults, "", origins)
        raise InputError([*faults, *output_faults(output)]) from None
    _raise_if_any(output_faults(output))
    return stated


def overlaid(keys: Mapping[str, Any], given: Given) -> tuple[dict[str, Any], dict[str, str]]:
    """Problem keys with options over them, and the option behind each key's path."""
    result = deepcopy(dict(keys))
    origins: dict[str, str] = {}
    for option, value in given.items():
        if not option.key.startswith("slo."):
            _set(result, option.key.split("."), value)
            origins[option.key] = option.spelling
    bounds = {
        option.key.removeprefix("slo."): (option.spelling, value)
        for option, value in given.items()
        if option.key.startswith("slo.")
    }
    if bounds:
        _set_bounds(result, bounds, origins)
    return result, origins


def _extension(
    keys: Mapping[str, Any], place: str, folder: Path | None, allow_python: bool | None
) -> tuple[Extension | None, Sequence[Fault]]:
    """The extension that a file names; faults of the key itself are validation's.

    Raises ExtensionError, whose trace cannot stand in a list of faults.
    """
    if "extension" not in keys:
        return None, []
    try:
        named = validate(FleetProblem, {"extension": keys["extension"]}, place)
    except InputError:
        return None, []
    if allow_python is None and named.extension is not None:
        text = "only `fleetopt solve` runs extensions"
        return None, [Fault("extension", text, "take the key out of a copy of the file")]
    try:
        return read_extension(named, folder, allow_python=bool(allow_python)), []
    except ExtensionError:
        raise
    except InputError as error:
        return None, error.faults


def _stated(
    keys: dict[str, Any],
    given: Given,
    place: str,
    beside: Path | None,
    found: Sequence[Fault],
    others: Sequence[Fault],
) -> Statement:
    keys, origins = overlaid(keys, given)
    faults = [*found]
    try:
        problem, inputs = inputs_of(validate(FleetProblem, keys, place), beside)
    except InputError as error:
        faults += [*error.faults, *_faults_of_names(keys, place, beside)]
    faults += _bounds_twice(given)
    _raise_if_any([*named(faults, place, origins), *others])
    return Statement(problem, inputs, beside, place, origins)


def _faults_of_names(keys: Mapping[str, Any], place: str, beside: Path | None) -> list[Fault]:
    """Faults of named files and profiles, found even where other keys are wrong."""
    faults: list[Fault] = []
    named: tuple[tuple[str, ...], ...] = (
        ("cdf",),
        ("trace",),
        *((key,) for key in SERIES if isinstance(keys.get(key), str)),
    )
    if "model" in keys:
        faults += _faults_of_model(keys, place, beside)
    else:
        named += (
            ("gpus", "profiles"),
            ("inventory", "profiles"),
            ("power_kw", "gpus", "profiles"),
            ("mean_power_kw", "gpus", "profiles"),
            ("energy_mwh_per_year", "gpus", "profiles"),
            ("carbon_tonnes_per_year", "carbon_g_per_kwh", "gpus", "profiles"),
        )
    for names in named:
        if names[0] not in keys:
            continue
        part = {key: keys[key] for key in names if key in keys}
        if names[0] == "trace" and isinstance(part["trace"], dict):
            part["trace"] = {key: part["trace"][key] for key in part["trace"] if key != "rate"}
        try:
            inputs_of(validate(FleetProblem, part, place), beside)
        except InputError as error:
            faults += error.faults
    return faults


def _faults_of_model(keys: Mapping[str, Any], place: str, beside: Path | None) -> list[Fault]:
    """Faults of the model and the GPUs that are named for it."""
    from fleetopt.performance import models

    part = {key: keys[key] for key in ("model", "gpus", "catalogs", "profiles") if key in keys}
    try:
        problem = validate(FleetProblem, part, place)
        if models.is_open(problem):
            models.read_named(problem, beside)
    except InputError as error:
        return list(error.faults)
    return []


def _bounds_twice(given: Given) -> list[Fault]:
    """Options on single bounds beside those that state them all."""
    whole = [option.spelling for option in given if option.key == "slo"]
    single = [option.spelling for option in given if option.key.startswith("slo.")]
    text = f"cannot stand beside {' and '.join(single)}"
    hint = "state every bound with --bound"
    return [Fault(spelling, text, hint) for spelling in whole if single]


def output_faults(output: str | None) -> Sequence[Fault]:
    """Why an answer cannot be written to a file."""
    try:
        if output is not None:
            check_writable(output)
    except InputError as error:
        return [replace(fault, place=f"--output {fault.place}") for fault in error.faults]
    return []


def _raise_if_any(faults: Sequence[Fault]) -> None:
    if faults:
        raise InputError(faults)


def named(faults: Iterable[Fault], place: str, origins: Mapping[str, str]) -> list[Fault]:
    """Faults without repeats, those of keys that an option set under the option's name."""
    prefix = f"{place}, " if place else ""
    named = []
    for fault in faults:
        path = fault.place.removeprefix(prefix)
        behind = [key for key in origins if path == key or path.startswith((f"{key}.", f"{key}["))]
        if behind:
            text = fault.expected.replace("this key is required", "is required")
            named.append(replace(fault, place=origins[max(behind, key=len)], expected=text))
        elif not place and (within := [o for k, o in origins.items() if k.startswith(f"{path}.")]):
            named.append(replace(fault, place=", ".join(within)))
        elif (
            place
            and path == fault.place
            and re.split(r"[.\[]", path)[0] in FleetProblem.model_fields
        ):
            named.append(replace(fault, place=prefix + path))
        else:
            named.append(fault)
    return list(dict.fromkeys(named))


def _set(keys: dict[str, Any], path: Sequence[str], value: Any) -> None:
    inner: Any = keys
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # the file is wrong here, and validation says so
    inner[path[-1]] = value


def _set_bounds(
    keys: dict[str, Any], given: Mapping[str, tuple[str, Any]], origins: dict[str, str]
) -> None:
    """Replace the bounds on each given metric by one, and set the percentile of all."""
    stated = keys.get("slo", FleetProblem().model_dump(mode="json")["slo"])
    try:
        stated = [bound_keys(bound) for bound in stated] if isinstance(stated, list) else None
    except ValueError:
        return  # the file is wrong here, and validation says so
    if stated is None or not all(isinstance(bound, dict) for bound in stated):
        return
    bounds = [dict(bound) for bound in stated]
    for metric in ("ttft", "tpot", "e2e"):
        if metric in given:
            bounds = _with_limit(bounds, metric, given[metric][1])
    for i, bound in enumerate(bounds):
        if bound.get("metric", "ttft") in given:
            origins[f"slo[{i}]"] = given[bound.get("metric", "ttft")][0]
        if "percentile" in given:
            spelling, bound["percentile"] = given["percentile"]
            origins[f"slo[{i}].percentile"] = spelling
    keys["slo"] = bounds


def _with_limit(bounds: list[dict[str, Any]], metric: str, limit: Any) -> list[dict[str, Any]]:
    """One bound on `metric`, at the percentile of the first such bound if there is one."""
    same = [bound for bound in bounds if bound.get("metric", "ttft") == metric]
    new = {**(same[0] if same else {"metric": metric}), "limit_ms": limit}
    at = bounds.index(same[0]) if same else len(bounds)
    kept = [bound for bound in bounds if bound not in same]
    return [*kept[:at], new, *kept[at:]]
