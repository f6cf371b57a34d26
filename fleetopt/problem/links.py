"""Links that carry KV between pools, as a user states them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from fleetopt.errors import Fault, near
from fleetopt.problem.faults import Stated

PhaseRole = Literal["mixed", "prefill", "decode"]


class LinkStatement(Stated):
    """Carries the KV of prompts, one after the other, from a prefill pool to one that decodes."""

    source: str = Field(min_length=1)
    """The pool that prefills; its role is "prefill"."""
    target: str = Field(min_length=1)
    """The pool that decodes; its role is "decode" or "mixed"."""
    gb_per_s: float = Field(gt=0, allow_inf_nan=False)
    """Bandwidth, in 1e9 bytes per second."""
    kv_bytes_per_token: float = Field(gt=0, le=1e9)
    """KV of one prompt token, in bytes."""
    latency_ms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What each transfer takes beside its bytes, in ms."""
    shared: bool = False
    """Whether all replicas of the prefill pool share the link; else each has one of its own."""
    overlap_layers: int = Field(default=1, ge=1, le=1000)
    """Layers whose KV is sent while the prompt is prefilled; 1 sends all of it afterwards."""


def entrances(pools: Any) -> list[str]:
    """Names of the pools to which requests come; faulty pools are left out."""
    return [name for name, role, _ in _pools(pools) if role != "decode"]


def phase_faults(pools: Any, links: Any) -> Iterator[Fault]:
    """Phases without their other half, and links that join no such pools."""
    known = {name: (role, context) for name, role, context in _pools(pools)}
    ends: list[tuple[str, str]] = []
    for i, link in enumerate(links if isinstance(links, list | tuple) else ()):
        source, target = _value(link, "source"), _value(link, "target")
        if isinstance(source, str) and isinstance(target, str):
            yield from _link_faults(f"links[{i}]", source, target, known)
            if (source, target) in ends:
                yield Fault(f"links[{i}]", f"{source} to {target} is stated twice")
            ends.append((source, target))
    if known and not entrances(pools):
        yield Fault("pools", "all of them only decode", "give one the role prefill or mixed")
    for i, (name, role, _) in enumerate(_pools(pools)):
        if role == "prefill" and name not in [source for source, _ in ends]:
            text = f"no link takes the KV of {name} to a pool that decodes"
            yield Fault(f"pools[{i}].role", text, "state links with source, target and gb_per_s")
        if role == "decode" and name not in [target for _, target in ends]:
            text = f"no link brings KV from a prefill pool to {name}"
            yield Fault(f"pools[{i}].role", text, "state links with source, target and gb_per_s")


def _link_faults(
    place: str, source: str, target: str, known: dict[str, tuple[Any, Any]]
) -> Iterator[Fault]:
    for key, name in (("source", source), ("target", target)):
        if name not in known:
            text = f"no pool is called {name!r}"
            yield Fault(f"{place}.{key}", text, near(name, known))
    if source in known and known[source][0] in ("mixed", "decode"):
        yield Fault(f"{place}.source", f"the role of {source} must be prefill")
    if target in known and known[target][0] == "prefill":
        yield Fault(f"{place}.target", f"the role of {target} must be decode or mixed")
    windows = [known[name][1] for name in (source, target) if name in known]
    if len(windows) == 2 and all(isinstance(w, int) for w in windows) and windows[1] < windows[0]:
        text = f"{target} has a context window of {windows[1]:,}, {source} of {windows[0]:,}"
        yield Fault(f"{place}.target", text, "prompts could arrive that do not fit")


def _pools(pools: Any) -> Sequence[tuple[str, Any, Any]]:
    stated = pools if isinstance(pools, list | tuple) else ()
    rows = [(_value(p, "id"), _value(p, "role") or "mixed", _value(p, "max_ctx")) for p in stated]
    return [row for row in rows if isinstance(row[0], str)]


def _value(stated: Any, key: str) -> Any:
    return stated.get(key) if isinstance(stated, dict) else getattr(stated, key, None)
