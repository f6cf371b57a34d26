"""From options and a fleet file to a checked scenario, with every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fleetopt.catalog import bundled_profiles, find_file, read_json, read_lengths
from fleetopt.cli.options import ProblemOption
from fleetopt.cli.plans import read_plans
from fleetopt.cli.statement import Given, named, overlaid
from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import FleetSimulation, RouterStatement, validate
from fleetopt.questions.fleets import Scenario, plan_statement, scenario_of
from fleetopt.report.export import check_writable
from fleetopt.report.fleet_records import record_faults
from fleetopt.simulation.routing import LengthKnowledge
from fleetopt.workload.stated import arrival_process

TWO_POOLS: tuple[dict[str, Any], ...] = (
    {"id": "short", "gpu": "a100", "max_ctx": 4096},
    {"id": "long", "gpu": "a100", "max_ctx": 65536},
)
"""Pools of the published two-pool commands."""
_SIZES = (("pools[0]", "--n-s"), ("pools[1]", "--n-l"))
_TRAFFIC = ("cdf", "workloads", "trace")


def state_fleet(
    keys: Mapping[str, Any],
    given: Given,
    options: Iterable[click.Parameter],
    *,
    place: str = "",
    beside: Path | None = None,
    least_requests: int,
    others: Sequence[Fault] = (),
) -> Scenario:
    """The scenario of a file's or a plan's keys with the given options over them.

    options: all of the command; where there is no file, they stand for the keys.
    others: faults of what else the user gave, to be told together with these.
    Raises InputError with every fault, each named by the option or the key that it came from.
    """
    keys, origins = _over(keys, given)
    if not place:
        known = [option for option in options if isinstance(option, ProblemOption)]
        origins = {**{o.key.removesuffix(".path"): o.spelling for o in known}, **origins}
    faults = [*others]
    try:
        scenario = scenario_of(validate(FleetSimulation, keys, place), beside, least_requests)
    except InputError as error:
        faults += named(_placed(error.faults, place), place, origins)
        faults += named(_placed(_names(keys, beside), place), place, origins)
    if faults:
        raise InputError(list(dict.fromkeys(_after_option(fault, origins) for fault in faults)))
    return scenario


def two_pool_keys(given: Given) -> tuple[dict[str, Any], Given, list[Fault]]:
    """The published two pools, the options that are left, and what is missing.

    A pool of 0 GPUs is left out.
    """
    options = {option.key: (option, value) for option, value in given.items()}
    pools: list[dict[str, Any]] = []
    faults: list[Fault] = []
    origins: dict[str, str] = {}
    for i, (key, spelling) in enumerate(_SIZES):
        size = options.get(f"{key}.n_gpus")
        if size is None:
            faults.append(Fault(spelling, "GPUs of the pool are needed", "0 leaves the pool out"))
        if size is not None and size[1] == 0:
            continue
        if size is not None and isinstance(size[1], int) and size[1] < 0:
            faults.append(Fault(spelling, f"must be at least 0, got {size[1]}"))
            given = {**given, size[0]: 1}
        origins[key] = f"pools[{len(pools)}]"
        pools.append({**TWO_POOLS[i], "n_gpus": 1})
    if not pools:
        faults.append(Fault("--n-s, --n-l", "one of the two must be above 0"))
        pools = [{**TWO_POOLS[1], "n_gpus": 1}]
    left = {
        option: value
        for option, value in given.items()
        if not option.key.startswith("pools[") or option.key.partition(".")[0] in origins
    }
    return {"pools": pools}, {_moved(o, origins): v for o, v in left.items()}, faults


def plan_keys(name: str, given: Given) -> tuple[dict[str, Any], Given, list[Fault]]:
    """The keys of a plan's fleet, the options, and those that a plan leaves no room for.

    Where nodes fail, spare replicas serve too.
    """
    (plan,) = read_plans(name)
    failing = any(option.key == "failures" for option in given)
    stated = plan_statement(plan, with_spares=failing)
    keys = stated.model_dump(exclude_unset=True, exclude_none=True)
    if any(option.key == "concurrency" for option in given):
        keys.pop("lam", None)  # clients instead of the plan's arrivals; --lam brings these back
    own = [o for o in given if o.key.startswith("pools[") or o.key == "gamma"]
    hint = "leave the plan or the option out"
    faults = [Fault(option.spelling, "the plan states the pools", hint) for option in own]
    return keys, {o: v for o, v in given.items() if o not in own}, faults


def fleet_keys(name: str) -> tuple[dict[str, Any], str, Path]:
    """The keys of a fleet file, its name and its folder. Raises InputError."""
    path = find_file(name)
    data, _ = read_json(path)
    if not isinstance(data, dict):
        text = f"expected an object with pools, a router and workloads, got {data!r:.60}"
        raise InputError.single(str(path), text)
    return data, str(path), path.parent


def routers_of(texts: Sequence[str], pools: int) -> tuple[list[RouterStatement], list[Fault]]:
    """Routers to compare, and what is wrong with them."""
    stated, faults = [], list[Fault]()
    for i, text in enumerate(texts):
        try:
            stated.append(validate(RouterStatement, text, ""))
        except InputError as error:
            faults += [replace(f, place=f"--router {text}") for f in error.faults]
            continue
        if text in texts[:i]:
            faults.append(Fault(f"--router {text}", "is stated twice"))
        if stated[-1].name == "compress" and pools < 2:
            faults.append(Fault(f"--router {text}", "compress needs two pools"))
    return stated, faults


def output_faults(paths: Mapping[str, str | None]) -> list[Fault]:
    """What is wrong with the files that a command is to write, by option."""
    faults: list[Fault] = []
    for option, path in paths.items():
        if path is None:
            continue
        faults += [replace(f, place=f"{option} {path}") for f in record_faults(option, path)]
        try:
            check_writable(path)
        except InputError as error:
            faults += [replace(fault, place=f"{option} {fault.place}") for fault in error.faults]
    return faults


def _after_option(fault: Fault, origins: Mapping[str, str]) -> Fault:
    """A fault of what a key names, under the option that set the key."""
    key, colon, name = fault.place.partition(": ")
    return replace(fault, place=f"{origins[key]} {name}") if colon and key in origins else fault


class _Moved:
    """An option whose pool has another place, because one before it is left out."""

    def __init__(self, option: Any, key: str) -> None:
        self.key, self.spelling = key, option.spelling


def _moved(option: Any, places: Mapping[str, str]) -> Any:
    pool, dot, rest = option.key.partition(".")
    if pool not in places or places[pool] == pool:
        return option
    return _Moved(option, places[pool] + dot + rest)


def _over(keys: Mapping[str, Any], given: Given) -> tuple[dict[str, Any], dict[str, str]]:
    """Keys with options over them, and the option behind each key's path."""
    base = deepcopy(dict(keys))
    if any(option.key.partition(".")[0] in _TRAFFIC for option in given):
        replaced = {"cdf", "workloads", "trace"}
        if any(option.key == "trace.path" for option in given):
            replaced |= {"lam", "n_req", "arrivals", "overlong"}
        base = {key: value for key, value in base.items() if key not in replaced}
    keys, origins = overlaid(base, given)
    _fold_gamma(keys, origins)
    pools = keys.get("pools")
    for key in [key for key in keys if key.startswith("pools[")]:
        index = int(key[6:-1])
        keys["pools"][index] |= keys.pop(key)
    for name, value in keys.pop("each", {}).items():
        spelling = origins.pop(f"each.{name}")
        for i, pool in enumerate(pools if isinstance(pools, list) else ()):
            if isinstance(pool, dict):
                pool[name] = value
                origins[f"pools[{i}].{name}"] = spelling
    return keys, origins


def _fold_gamma(keys: dict[str, Any], origins: dict[str, str]) -> None:
    """--gamma as the router that it stands for; it says nothing at 1."""
    gamma, router = keys.pop("gamma", 1.0), keys.get("router", "compress")
    if gamma == 1.0:
        return
    if router == "compress":
        keys["router"] = {"name": "compress", "gamma": gamma}
        origins["router.gamma"] = "--gamma"
        origins.setdefault("router", "--gamma")
    else:
        keys["router"] = f"{router}{',' if ':' in str(router) else ':'}gamma={gamma}"


def _placed(faults: Sequence[Fault], place: str) -> list[Fault]:
    """Faults of keys under the file that states them."""
    known = FleetSimulation.model_fields
    return [
        replace(fault, place=f"{place}, {fault.place}")
        if place and _first(fault.place) in known
        else fault
        for fault in faults
    ]


def _first(path: str) -> str:
    for sign in (".", "[", ":"):
        path = path.partition(sign)[0]
    return path


def _names(keys: Mapping[str, Any], beside: Path | None) -> list[Fault]:
    """Faults of named files, profiles and processes, found even where other keys are wrong."""
    return list(_profile_faults(keys)) + [
        fault
        for path, name, read in (*_files(keys, beside), *_texts(keys))
        if isinstance(name, str)
        for fault in _unread(path, name, read)
    ]


def _profile_faults(keys: Mapping[str, Any]) -> Iterator[Fault]:
    own, pools = keys.get("profiles"), keys.get("pools")
    if own:
        return
    known = bundled_profiles()
    for i, pool in enumerate(pools if isinstance(pools, list) else ()):
        name = pool.get("gpu") if isinstance(pool, dict) else None
        if isinstance(name, str) and name and name not in known:
            yield Fault(f"pools[{i}].gpu", f"unknown GPU {name!r}", near(name, known))


def _files(
    keys: Mapping[str, Any], beside: Path | None
) -> Iterator[tuple[str, Any, Callable[[str], object]]]:
    yield "cdf", keys.get("cdf"), lambda name: read_lengths(name, beside)
    workloads, trace = keys.get("workloads"), keys.get("trace")
    for model, part in workloads.items() if isinstance(workloads, dict) else ():
        name = part.get("cdf") if isinstance(part, dict) else None
        yield f"workloads.{model}.cdf", name, lambda name: read_lengths(name, beside)
    if isinstance(trace, dict):
        yield "trace", trace.get("path"), lambda name: find_file(name, beside)


def _texts(keys: Mapping[str, Any]) -> Iterator[tuple[str, Any, Callable[[str], object]]]:
    yield "length_knowledge", keys.get("length_knowledge"), LengthKnowledge.parse
    if keys.get("arrivals") not in ("fitted", "profile"):
        yield "arrivals", keys.get("arrivals"), lambda text: arrival_process(text, 1.0)


def _unread(path: str, name: str, read: Callable[[str], object]) -> list[Fault]:
    try:
        read(name)
    except InputError as error:
        own = ("arrivals", "length knowledge")
        return [
            replace(f, place=path if f.place in own else f"{path}: {f.place}") for f in error.faults
        ]
    return []
