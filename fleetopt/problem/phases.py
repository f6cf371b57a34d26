"""Whether prefill and decode run on replicas of their own, and over which links KV goes then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated

if TYPE_CHECKING:
    from fleetopt.problem.fleet import FleetProblem

Phase = Literal["prefill", "decode"]
Phases = Literal["together", "apart", "either"]

_TEXT = re.compile(r"([^:\s]+)(?::([^:\s]+):([^:\s]+))?")
_EXPECTED = "expected a link or GB/s, such as 'ndr400', 'ndr400:h100:a100' or '50', got {!r:.60}"


class PhaseLink(Stated):
    """A link from replicas that prefill to replicas that decode; as a text, 'ndr400:h100:a100'."""

    name: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]*$")
    """A link of the catalogue, whose bandwidth and latency it has."""
    gb_per_s: float | None = Field(default=None, gt=0)
    """Bandwidth of one GPU, or of the whole link where it is shared, in 1e9 bytes per second."""
    latency_ms: float | None = Field(default=None, ge=0)
    """What each transfer takes beside its bytes, in ms; 0 for a link that is not named."""
    kv_bytes_per_token: float | None = Field(default=None, gt=0, le=1e9)
    """KV of one prompt token, in bytes; that of the profile that prefills if absent."""
    shared: bool = False
    """Whether all replicas of a prefill pool share the link; else each has one of its own."""
    overlap_layers: int = Field(default=1, ge=1, le=1000)
    """Layers whose KV is sent while the prompt is prefilled; 1 sends all of it afterwards."""
    prefill: str | None = None
    """Profile or GPU type that prefills; any if absent."""
    decode: str | None = None
    """Profile or GPU type that decodes; any if absent."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, stated: Any) -> Any:
        return link_keys(stated)

    @model_validator(mode="after")
    def _has_a_bandwidth(self) -> PhaseLink:
        if not self.name and self.gb_per_s is None:
            text = "expected the name of a link, or its bandwidth"
            raise FaultsError([Fault("name", text, "`fleetopt info` lists links")])
        return self

    @property
    def text(self) -> str:
        """The link in words."""
        speed = f"{self.gb_per_s:g} GB/s" if self.gb_per_s is not None else ""
        return self.name or speed


def link_keys(stated: Any) -> Any:
    """The keys of a link that is stated as a text; anything else as it is. Raises ValueError."""
    if not isinstance(stated, str):
        return stated
    found = _TEXT.fullmatch(stated.strip())
    if found is None:
        raise ValueError(_EXPECTED.format(stated))
    link, prefill, decode = found.groups()
    keys: dict[str, Any] = {"prefill": prefill, "decode": decode}
    try:
        return {**keys, "gb_per_s": float(link)}
    except ValueError:
        return {**keys, "name": link}


def phase_faults(problem: FleetProblem) -> Iterator[Fault]:
    """What a problem states that does not go with phases apart, and links without them."""
    if problem.phases == "together":
        if problem.links:
            hint = "say phases = 'apart' or 'either', or leave the links out"
            yield Fault("links", "both phases are together, so no KV is sent", hint)
        return
    place, rest = "phases", f"{problem.phases} designs pools that prefill or decode alone"
    if any(bound.metric == "e2e" for bound in problem.slo):
        text = f"{rest}, and no bound on E2E latency binds one of them by itself"
        yield Fault(place, text, "bound TTFT and TPOT, or say phases = 'together'")
    if problem.method == "published":
        text = f"{rest}, which the published method has no table for"
        yield Fault(place, text, "use method 'fleetopt', or `fleetopt disagg --method published`")
    if problem.slo_scope == "fleet":
        text = f"{rest}, each held to its own bounds, not to those of the fleet"
        yield Fault(place, text, "say slo_scope = 'pool'")
    if problem.objective != "cost":
        text = f"{rest}, whose tables know no mean draw, so the objective must be cost"
        yield Fault(place, text, "cap the power with power_kw")
    if problem.trace is not None:
        text = f"{rest}, which are simulated at Poisson arrivals only, not on a trace"
        yield Fault(place, text, "fit the trace with `fleetopt workload fit` and use its file")
