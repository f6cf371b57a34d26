"""Tables of keys and fields, from the classes that read and write them."""

from __future__ import annotations

import ast
import datetime
import inspect
import json
import re
import textwrap
import types
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from fleetopt.plan import Plan
from fleetopt.problem import (
    ArrivalFigures,
    CoefficientSpec,
    EngineChoices,
    EngineConfig,
    FailureRates,
    FleetProblem,
    FleetSimulation,
    GpuSpec,
    HourlySeries,
    JointLengths,
    LatencyBound,
    LengthCdf,
    LinkSpec,
    LinkStatement,
    LlmSpec,
    PhaseLink,
    PoolStatement,
    PowerCurve,
    PriceSpec,
    ProfileSpec,
    RateProfile,
    RecordedFile,
    RecordedTraffic,
    RouterStatement,
    SessionStatement,
    SolverOptions,
    TraceSource,
    VerificationOptions,
    Workload,
    WorkloadShare,
)
from fleetopt.study.refusal import Refusal

_BASIC = {
    str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "absent",
    datetime.date: "date, such as 2026-11-22",
}  # fmt: skip
_SIGNS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_MEANING = re.compile(r"^((?:[a-z]\w*, )*[a-z]\w*): (.*(?:\n    .*)*)", flags=re.MULTILINE)


def problem_keys() -> str:
    """Every key of a problem file."""
    sections = {
        "": FleetProblem,
        "[[slo]]": LatencyBound,
        "[engine]": EngineChoices,
        "[trace]": TraceSource,
        "[[links]]": PhaseLink,
        "[electricity_series], [carbon_series]": HourlySeries,
        "[verification]": VerificationOptions,
        "[solver]": SolverOptions,
    }
    parts = [
        f"### {'Keys of the problem' if not place else f'Keys of `{place}`'}\n\n{_keys(kind)}"
        for place, kind in sections.items()
    ]
    return "\n\n".join(parts)


def fleet_keys() -> str:
    """Every key of a file for `simulate-fleet`."""
    inner = {
        "pools": PoolStatement,
        "links": LinkStatement,
        "router": RouterStatement,
        "workloads": WorkloadShare,
        "trace": RecordedTraffic,
        "sessions": SessionStatement,
        "failures": FailureRates,
    }
    parts = [f"#### Keys of `{place}`\n\n{_keys(kind)}" for place, kind in inner.items()]
    return "\n\n".join([_keys(FleetSimulation), *parts])


def length_keys() -> str:
    """Every key of a length file."""
    return f"{_keys(LengthCdf)}\n\n#### Keys of `joint`\n\n{_keys(JointLengths)}"


def workload_keys() -> str:
    """Every key that a workload file has beside those of a length file."""
    inner = {"arrivals": ArrivalFigures, "arrivals.profile": RateProfile, "files": RecordedFile}
    own = [name for name in Workload.model_fields if name not in LengthCdf.model_fields]
    parts = [f"#### Keys of `{place}`\n\n{_keys(kind)}" for place, kind in inner.items()]
    return "\n\n".join([_keys(Workload, own), *parts])


def profile_keys() -> str:
    """Every key of both kinds of profiles, of their power curve and of an engine."""
    parts = {
        "a profile by its coefficients": CoefficientSpec,
        "`engine`": EngineConfig,
        "`power`": PowerCurve,
    }
    told = [f"#### Keys of {place}\n\n{_keys(kind)}" for place, kind in parts.items()]
    return "\n\n".join([_keys(ProfileSpec), *told])


def catalogue_keys() -> str:
    """Every key of the entries of a catalogue."""
    inner = {"gpus": GpuSpec, "links": LinkSpec, "llms": LlmSpec, "prices": PriceSpec}
    parts = [f"#### Entries of `{place}`\n\n{_keys(kind)}" for place, kind in inner.items()]
    return "\n\n".join(parts)


def plan_fields() -> str:
    """Every field of a plan, a section for each object in it."""
    return "\n\n".join(_fields(kind) for kind in _nested(Plan))


def refusal_fields() -> str:
    """Every field of the answer where there is no plan; the fleet's are those of a plan."""
    mine = [kind for kind in _nested(Refusal) if kind.__module__ == Refusal.__module__]
    text = "\n\n".join(_fields(kind) for kind in mine)
    return re.sub(r"\(#(fleet|cost)\)", r"(reference/plan.md#\1)", text)


def _keys(kind: type[BaseModel], only: Iterable[str] | None = None) -> str:
    described = _described(kind)
    rows = []
    for name in only if only is not None else kind.model_fields:
        field = kind.model_fields[name]
        limits = [
            f"{word} {getattr(rule, sign):g}"
            for rule in field.metadata
            for sign, word in _SIGNS.items()
            if hasattr(rule, sign)
        ]
        value = ", ".join([_type(field.annotation), *limits])
        rows.append((f"`{name}`", value, _default(field), described.get(name, "")))
    return _table(("key", "value", "default", "meaning"), rows)


def _described(kind: type[BaseModel]) -> dict[str, str]:
    """The text below each key of a statement, those that it inherits first."""
    base = kind.__base__
    inherited = _described(base) if base and base.__module__.startswith("fleetopt") else {}
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return inherited | {
        key.target.id: inspect.cleandoc(text.value.value).replace("\n", " ")
        for key, text in pairwise(body)
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return "absent"
    if isinstance(value, BaseModel) or (
        isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value)
    ):
        return "see below"
    return f"`{json.dumps(value)}`"


def _fields(kind: type) -> str:
    text = inspect.cleandoc(kind.__doc__ or "")
    meanings = {
        name: " ".join(match[2].split())
        for match in _MEANING.finditer(text)
        for name in match[1].split(", ")
    }
    hints = get_type_hints(kind)
    rows = [
        (f"`{field.name}`", _json_type(hints[field.name]), meanings.get(field.name, ""))
        for field in fields(kind)
    ]
    headline = text.split("\n\n")[0].replace("\n", " ")
    return f"### {kind.__name__}\n\n{headline}\n\n{_table(('field', 'value', 'meaning'), rows)}"


def _nested(kind: type) -> Iterator[type]:
    """A dataclass and those in its fields, each once, from the outside in."""
    seen: dict[type, None] = {}
    waiting = [kind]
    while waiting:
        seen[waiting[0]] = None
        inner = [
            part
            for hint in get_type_hints(waiting.pop(0)).values()
            for part in _parts(hint)
            if is_dataclass(part)
        ]
        waiting += [part for part in inner if part not in seen and part not in waiting]
    yield from seen


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for inner in get_args(hint):
        yield from _parts(inner)


def _type(hint: Any) -> str:
    """An annotation in words."""
    if get_origin(hint) is Annotated:
        return _type(get_args(hint)[0])
    if hint in _BASIC:
        return _BASIC[hint]
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_type(part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint))
    if get_origin(hint) is dict:
        return f"object of {_type(get_args(hint)[1])}"
    return f"[{hint.__name__}](#{hint.__name__.lower()})" if is_dataclass(hint) else "table"


def _json_type(hint: Any) -> str:
    """An annotation of a plan in words."""
    if hint is FleetProblem:
        return "[problem](inputs.md#problems)"
    return _type(hint).replace("absent", "`null`")


def _tuple(parts: tuple[Any, ...]) -> str:
    if parts[-1] is Ellipsis:
        return f"list of {_type(parts[0])}"
    name = "pairs" if len(parts) == 2 else "triples"
    return f"{name} [{', '.join(_type(part) for part in parts)}]"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
