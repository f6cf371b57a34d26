"""From pydantic's complaints to fleetopt's faults: all at once, each with its place."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from fleetopt.errors import Fault, InputError, near
from fleetopt.problem.wording import expected, suggestion

Statement = TypeVar("Statement", bound="Stated")
Structured = TypeVar("Structured")


class FaultsError(ValueError):
    """Raised inside a validator that found several faults at once.

    The place of each is relative to what is validated: a key, "[3] tokens" or nothing.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in faults))


class Stated(BaseModel):
    """Base of everything a user states: frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _flags_are_no_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and field.annotation is not bool:
            raise ValueError(f"true or false is no value for this key, got {value}")
        return value


def raise_repeated(keys: Sequence[Hashable], labels: Sequence[str]) -> None:
    """Raise FaultsError with each entry whose key appeared before."""
    faults = [
        Fault(f"[{i}]", f"{labels[i]} is stated twice")
        for i, key in enumerate(keys)
        if key in keys[:i]
    ]
    if faults:
        raise FaultsError(faults)


def validate(kind: type[Statement], data: Any, place: str) -> Statement:
    """Build `kind` from `data`; raises InputError with every fault under `place`."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InputError(faults_of(error, kind, place)) from None


def structure(kind: type[Structured], data: Any, place: str) -> Structured:
    """Build a dataclass from plain data; raises InputError with every fault under `place`."""
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        raise InputError(faults_of(error, kind, place)) from None


def faults_of(error: ValidationError, kind: type, place: str = "") -> list[Fault]:
    """Every complaint of a ValidationError as a Fault under `place`."""
    items = error.errors(include_url=False)
    return [
        Fault(_under(place, fault.place), fault.expected, fault.suggestion)
        for item in items
        if not _follows_from_others(item, items)
        for fault in _faults(dict(item), kind)
    ]


def _follows_from_others(item: Any, items: Sequence[Any]) -> bool:
    """Whether a list is called too short only because entries of it were refused."""
    location = item["loc"]
    return item["type"] == "too_short" and any(
        other["loc"][: len(location)] == location for other in items if other is not item
    )


def _faults(item: Mapping[str, Any], kind: type) -> Iterator[Fault]:
    path = _dotted(item["loc"])
    inner = item.get("ctx", {}).get("error")
    if isinstance(inner, FaultsError):
        for fault in inner.faults:
            yield Fault(_inside(path, fault.place), fault.expected, fault.suggestion)
    else:
        yield _fault(item, kind, path)


def _fault(item: Mapping[str, Any], kind: type, path: str) -> Fault:
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        key = str(item["loc"][-1])
        return Fault(path, f"unknown key {key!r}", near(key, _keys_at(kind, item["loc"][:-1])))
    if item["type"] == "missing":
        return Fault(path, "this key is required")
    if item["type"] == "value_error":
        return Fault(path, str(item["ctx"]["error"]))
    return Fault(path, expected(item), suggestion(item))


def _under(place: str, path: str) -> str:
    return f"{place}, {path}" if place and path else place or path


def _inside(path: str, place: str) -> str:
    return f"{path}.{place}" if path and place and place[0] not in "[ " else path + place


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _keys_at(kind: type, location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a location, found by walking the annotations."""
    for part in location:
        if isinstance(part, int):
            continue
        nested = _structure_in(_annotations(kind).get(part))
        if nested is None:
            return []
        kind = nested
    return list(_annotations(kind))


def _annotations(kind: type) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return get_type_hints(kind) if is_dataclass(kind) else {}


def _structure_in(annotation: Any) -> type | None:
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_dataclass(annotation)
    ):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _structure_in(inner)
        if found is not None:
            return found
    return None
