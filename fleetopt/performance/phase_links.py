"""Links between profiles that prefill and profiles that decode: which there are, how fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from fleetopt.catalog import find_file, read_machines
from fleetopt.catalog.machines import Machines
from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import AnyProfileSpec, FleetProblem, PhaseLink

_MS = 1000.0


@dataclass(frozen=True, slots=True)
class KvPath:
    """How KV goes from a replica that prefills to one that decodes.

    A transfer takes latency_s + prompt tokens * kv_bytes_per_token / bytes_per_s.
    shared: whether all replicas of the prefill pool share it; else each has a line of its own.
    overlap_layers: layers whose KV is sent while the prompt is prefilled; 1 sends it afterwards.
    """

    kv_bytes_per_token: float
    bytes_per_s: float
    latency_s: float = 0.0
    shared: bool = False
    overlap_layers: int = 1

    def seconds(self, prompt_tokens: float) -> float:
        """Seconds of one transfer, without the wait for the line."""
        return self.latency_s + prompt_tokens * self.kv_bytes_per_token / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class PhasePairs:
    """Profiles of which each that prefills is joined with each that decodes, by equal paths."""

    name: str
    path: KvPath
    prefill: tuple[str, ...]
    decode: tuple[str, ...]


def resolved_links(
    problem: FleetProblem, specs: Sequence[AnyProfileSpec], beside: Path | None = None
) -> tuple[PhaseLink, ...]:
    """The links of a problem, one for each pair of profiles that KV can go between, in full.

    Of several stated links that fit a pair the last one counts. Without any, a pair has the
    slower of the networks of its two GPUs, by the catalogue. Profiles that serve different
    models, or whose KV nobody states, are no pair. Raises InputError with every fault, and where
    no pair is left.
    """
    if problem.phases == "together":
        return ()
    machines = read_machines(*(str(find_file(name, beside)) for name in problem.catalogs or ()))
    links = _Links(problem.links, tuple(specs), machines)
    faults = list(links.faults())
    if faults:
        raise InputError(faults)
    found = tuple(links.pairs())
    if not found:
        names = ", ".join(spec.name for spec in specs)
        text = f"no link takes KV from one of {names} to one that serves the same model"
        raise InputError.single("links", text, "state one, such as 'ndr400' or '50' for 50 GB/s")
    return found


def pairs_of(links: Sequence[PhaseLink], specs: Sequence[AnyProfileSpec]) -> tuple[PhasePairs, ...]:
    """Resolved links in groups: profiles that prefill with the same partners over equal paths."""
    gpus = {spec.name: spec.gpus_per_replica for spec in specs}
    targets: dict[tuple[str, KvPath, str], list[str]] = {}
    for link in links:
        key = (link.prefill or "", path_of(link, gpus), link.text)
        targets.setdefault(key, []).append(link.decode or "")
    sources: dict[tuple[KvPath, str, tuple[str, ...]], list[str]] = {}
    for (prefill, path, text), decode in targets.items():
        sources.setdefault((path, text, tuple(decode)), []).append(prefill)
    names = _Names()
    return tuple(
        PhasePairs(names.of(text), path, tuple(prefill), decode)
        for (path, text, decode), prefill in sources.items()
    )


def path_of(link: PhaseLink, gpus: Mapping[str, int]) -> KvPath:
    """The way of a resolved link; without sharing, each GPU of a replica sends its own part.

    gpus: of a replica of each profile.
    """
    assert link.gb_per_s is not None
    assert link.kv_bytes_per_token is not None
    ends = (gpus[link.prefill or ""], gpus[link.decode or ""])
    width = 1 if link.shared else min(ends)
    latency_s = (link.latency_ms or 0.0) / _MS
    speed = 1e9 * width * link.gb_per_s
    return KvPath(link.kv_bytes_per_token, speed, latency_s, link.shared, link.overlap_layers)


@dataclass
class _Names:
    """Names of groups, each another one."""

    _seen: dict[str, int] = field(default_factory=dict)

    def of(self, text: str) -> str:
        self._seen[text] = self._seen.get(text, 0) + 1
        return text if self._seen[text] == 1 else f"{text} ({self._seen[text]})"


@dataclass(frozen=True)
class _Links:
    """Stated links and the profiles that they may join."""

    stated: tuple[PhaseLink, ...]
    specs: tuple[AnyProfileSpec, ...]
    machines: Machines

    def faults(self) -> Iterator[Fault]:
        """Names that are not known, and links between different models."""
        known = {name for spec in self.specs for name in (spec.name, spec.gpu)}
        for i, link in enumerate(self.stated):
            named = self._is_open(link) and link.name not in self.machines.links
            if named:
                hint = near(link.name, self.machines.links)
                yield Fault(f"links[{i}].name", f"unknown link {link.name!r}", hint)
            for key in ("prefill", "decode"):
                name = getattr(link, key)
                if name is not None and name not in known:
                    text = f"{name!r} is none of the profiles or GPUs of this problem"
                    yield Fault(f"links[{i}].{key}", text, near(name, known))
            yield from self._faults_of_models(f"links[{i}]", link)

    def pairs(self) -> Iterator[PhaseLink]:
        """One link in full for each pair of profiles of the same model that has any."""
        for first, second in product(self.specs, self.specs):
            fitting = [link for link in self.stated if _joins(link, first, second)]
            link = fitting[-1] if fitting else None if self.stated else self._network(first, second)
            if link is None or _kv_bytes(link, first) is None:
                continue
            if _serve_the_same(first, second):
                yield self._in_full(link, first, second)

    def _faults_of_models(self, place: str, link: PhaseLink) -> Iterator[Fault]:
        """Ends of a link that both are named and serve different models, or have unknown KV."""
        joined = [ends for ends in product(self.specs, self.specs) if _joins(link, *ends)]
        if not (link.prefill and joined):
            return
        same = [ends for ends in joined if _serve_the_same(*ends)]
        if link.decode and not same:
            first, second = joined[0]
            text = f"{first.name} serves {first.serves or 'an unnamed model'}, {second.name} "
            text += f"{second.serves or 'an unnamed model'}: one cannot read the KV of the other"
            yield Fault(place, text)
        if same and all(_kv_bytes(link, first) is None for first, _ in same):
            text = f"the profile {same[0][0].name!r} does not say how large its KV is"
            yield Fault(f"{place}.kv_bytes_per_token", text, "state the bytes of one token")

    def _network(self, first: AnyProfileSpec, second: AnyProfileSpec) -> PhaseLink | None:
        """The slower of two GPUs' networks; None where the catalogue lacks a GPU."""
        gpus = [self.machines.gpus.get(spec.gpu) for spec in (first, second)]
        networks = [gpu.network for gpu in gpus if gpu is not None]
        if len(networks) < 2:
            return None
        return PhaseLink(name=min(networks, key=lambda network: network.gb_per_s).name)

    def _in_full(self, link: PhaseLink, first: AnyProfileSpec, second: AnyProfileSpec) -> PhaseLink:
        named = self.machines.links[link.name] if self._is_open(link) else None
        speed, latency_ms = link.gb_per_s, link.latency_ms
        if named is not None:
            speed = named.gb_per_s if speed is None else speed
            latency_ms = _MS * named.latency_s if latency_ms is None else latency_ms
        return link.model_copy(
            update={
                "gb_per_s": speed,
                "latency_ms": latency_ms or 0.0,
                "kv_bytes_per_token": _kv_bytes(link, first),
                "prefill": first.name,
                "decode": second.name,
            }
        )

    def _is_open(self, link: PhaseLink) -> bool:
        """Whether the catalogue has to say something of a link."""
        return bool(link.name) and (link.gb_per_s is None or link.latency_ms is None)


def _joins(link: PhaseLink, first: AnyProfileSpec, second: AnyProfileSpec) -> bool:
    ends = ((link.prefill, first), (link.decode, second))
    return all(name is None or name in (spec.name, spec.gpu) for name, spec in ends)


def _serve_the_same(first: AnyProfileSpec, second: AnyProfileSpec) -> bool:
    """Whether one can read the KV of the other: of the same model, in the same format."""
    sizes = {first.kv_bytes_per_token, second.kv_bytes_per_token} - {None}
    return first.serves == second.serves and len(sizes) < 2


def _kv_bytes(link: PhaseLink, first: AnyProfileSpec) -> float | None:
    return link.kv_bytes_per_token or first.kv_bytes_per_token
