"""What is bundled, as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import fleetopt
from fleetopt import catalog
from fleetopt.performance.parameters import total_parameters
from fleetopt.problem import AnyProfileSpec, FleetProblem, LengthCdf, LlmSpec
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Table
from fleetopt.workload.lengths import LengthDistribution

SCHEMA = "fleetopt.info/1"


@dataclass(frozen=True)
class BundledWorkload:
    """A bundled length distribution and its figures, in tokens."""

    name: str
    mean_tokens: float
    p99_tokens: int
    max_tokens: int
    source: str


@dataclass(frozen=True)
class BundledProfile:
    """A bundled profile: what was measured, on what, at which price."""

    name: str
    hardware: str
    serves: str
    usd_per_hour: float
    source: str


@dataclass(frozen=True)
class BundledGpu:
    """A GPU of the catalogue; `price` says of which day its price is."""

    name: str
    hardware: str
    memory_gib: float
    memory_gb_per_s: float
    bf16_tflops: float
    usd_per_hour: float | None
    price: str
    source: str


@dataclass(frozen=True)
class BundledLink:
    """A link of the catalogue: bandwidth of a GPU in one direction."""

    name: str
    gb_per_s: float
    latency_s: float
    source: str


@dataclass(frozen=True)
class BundledLlm:
    """A language model of the catalogue."""

    name: str
    parameters: int
    layers: int
    experts: int
    max_position: int
    source: str


@dataclass(frozen=True)
class BundledModel:
    """A bundled problem, ready to be solved or copied."""

    name: str
    workload: str
    arrival_rate: float
    slo: str


@dataclass(frozen=True)
class Bundled:
    """Everything that comes with fleetopt."""

    version: str
    data_folder: str
    models_folder: str
    workloads: tuple[BundledWorkload, ...]
    profiles: tuple[BundledProfile, ...]
    gpus: tuple[BundledGpu, ...]
    links: tuple[BundledLink, ...]
    llms: tuple[BundledLlm, ...]
    models: tuple[BundledModel, ...]


def bundled() -> Bundled:
    """Read everything that is bundled."""
    machines = catalog.read_machines()
    return Bundled(
        version=fleetopt.__version__,
        data_folder=str(catalog.data_folder()),
        models_folder=str(catalog.models_folder()),
        workloads=tuple(_workload(name) for name in catalog.workload_names()),
        profiles=tuple(_profile(spec) for spec in catalog.bundled_profiles().values()),
        gpus=tuple(_gpu(gpu) for gpu in machines.gpus.values()),
        links=tuple(BundledLink(**link.model_dump()) for link in machines.links.values()),
        llms=tuple(_llm(llm) for llm in machines.llms.values()),
        models=tuple(_model(name) for name in catalog.model_names()),
    )


def info_report(found: Bundled, width: int) -> Group:
    """The catalogue as readable text."""
    return Group(
        line(f"fleetopt {found.version}", width, "bold"),
        section("Workloads (total lengths in tokens)", _workloads_table(found)),
        section("Profiles", _profiles_table(found)),
        section("GPUs", _gpus_table(found)),
        section("Links between GPUs", _links_table(found)),
        section("Language models", _llms_table(found)),
        section("Models", _models_table(found)),
        section("Sources", *(line(text, width) for text in _sources(found))),
        section("Folders", line(found.data_folder, width), line(found.models_folder, width)),
    )


def info_to_dict(found: Bundled) -> dict[str, Any]:
    """The JSON form."""
    return {"schema": SCHEMA, **asdict(found)}


def info_rows(found: Bundled) -> list[dict[str, Any]]:
    """One row for each entry; keys that a kind does not have are empty."""
    entries = [
        *({"kind": "workload", **asdict(entry)} for entry in found.workloads),
        *({"kind": "profile", **asdict(entry)} for entry in found.profiles),
        *({"kind": "gpu", **asdict(entry)} for entry in found.gpus),
        *({"kind": "link", **asdict(entry)} for entry in found.links),
        *({"kind": "llm", **asdict(entry)} for entry in found.llms),
        *({"kind": "model", **asdict(entry)} for entry in found.models),
    ]
    keys = dict.fromkeys(key for entry in entries for key in entry)
    return [{key: entry.get(key) for key in keys} for entry in entries]


def _workloads_table(found: Bundled) -> Table:
    table = columns("name", "mean", "P99", "longest")
    for w in found.workloads:
        table.add_row(w.name, f"{w.mean_tokens:,.0f}", f"{w.p99_tokens:,}", f"{w.max_tokens:,}")
    return table


def _profiles_table(found: Bundled) -> Table:
    table = columns("name", "hardware", "serves", "$/h", left=3)
    for p in found.profiles:
        table.add_row(p.name, p.hardware, p.serves, f"{p.usd_per_hour:.2f}")
    return table


def _gpus_table(found: Bundled) -> Table:
    table = columns("name", "hardware", "GiB", "GB/s", "BF16 TFLOPS", "$/h", left=2)
    for g in found.gpus:
        price = "" if g.usd_per_hour is None else f"{g.usd_per_hour:.2f}"
        table.add_row(g.name, g.hardware, f"{g.memory_gib:.1f}", f"{g.memory_gb_per_s:,.0f}",
                      f"{g.bf16_tflops:,.0f}", price)  # fmt: skip
    return table


def _links_table(found: Bundled) -> Table:
    table = columns("name", "GB/s", "latency, us")
    for way in found.links:
        table.add_row(way.name, f"{way.gb_per_s:g}", f"{1e6 * way.latency_s:g}")
    return table


def _llms_table(found: Bundled) -> Table:
    table = columns("name", "parameters", "layers", "experts", "longest")
    for m in found.llms:
        table.add_row(m.name, f"{m.parameters / 1e9:,.1f} B", str(m.layers), str(m.experts or ""),
                      f"{m.max_position:,}")  # fmt: skip
    return table


def _models_table(found: Bundled) -> Table:
    table = columns("name", "workload", "SLO", "req/s", left=3)
    for m in found.models:
        table.add_row(m.name, m.workload, m.slo, f"{m.arrival_rate:g}")
    return table


def _sources(found: Bundled) -> Iterable[str]:
    """Where each entry comes from, once for profiles of one source."""
    return dict.fromkeys(
        [f"{w.name}: {w.source}" for w in found.workloads]
        + [f"{_names(found.profiles, p.source)}: {p.source}" for p in found.profiles]
        + [f"{g.name}: {g.source}; {g.price}" for g in found.gpus]
        + [f"{way.name}: {way.source}" for way in found.links]
        + [f"{m.name}: {m.source}" for m in found.llms]
    )


def _workload(name: str) -> BundledWorkload:
    stated, _ = catalog.read_lengths(name)
    lengths = LengthDistribution.from_cdf(stated)
    return BundledWorkload(
        name=name,
        mean_tokens=lengths.mean(lengths.total_tokens),
        p99_tokens=_quantile(lengths, 0.99),
        max_tokens=stated.max_tokens,
        source=stated.source,
    )


def _quantile(lengths: LengthDistribution, probability: float) -> int:
    """The shortest total length that this share of the requests does not exceed."""
    index = int(lengths.cumulative[1:].searchsorted(probability))
    return int(lengths.total_tokens[min(index, lengths.total_tokens.size - 1)])


def _profile(spec: AnyProfileSpec) -> BundledProfile:
    return BundledProfile(spec.name, spec.hardware, spec.serves, spec.usd_per_hour, spec.source)


def _gpu(gpu: catalog.Gpu) -> BundledGpu:
    spec, price = gpu.spec, gpu.price
    return BundledGpu(
        spec.name,
        spec.hardware,
        spec.memory_gib,
        spec.memory_gb_per_s,
        spec.bf16_tflops,
        price.usd_per_hour if price else None,
        f"price of {price.date}: {price.source}" if price else "price not known",
        spec.source,
    )


def _llm(llm: LlmSpec) -> BundledLlm:
    return BundledLlm(
        llm.name, total_parameters(llm), llm.layers, llm.experts, llm.max_position, llm.source
    )


def _model(name: str) -> BundledModel:
    problem, _ = catalog.read_problem(name)
    return BundledModel(name, _cdf_name(problem), problem.arrival_rate, _slo(problem))


def _cdf_name(problem: FleetProblem) -> str:
    return problem.cdf.name if isinstance(problem.cdf, LengthCdf) else problem.cdf


def _slo(problem: FleetProblem) -> str:
    words = [f"{b.label} {b.limit_ms:g}{wording.NO_BREAK}ms" for b in problem.slo]
    return ", ".join(words)


def _names(profiles: tuple[BundledProfile, ...], source: str) -> str:
    return ", ".join(profile.name for profile in profiles if profile.source == source)
