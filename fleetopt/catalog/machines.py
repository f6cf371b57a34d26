"""GPUs, links, language models and prices: the bundled ones and those of the user's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from fleetopt.catalog.files import SourceFile, find_file, read_json
from fleetopt.catalog.folders import data_folder
from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import Catalogue, GpuSpec, LinkSpec, LlmSpec, PriceSpec, validate

Entry = TypeVar("Entry")
_BUNDLED = ("gpus.json", "llms.json", "prices.json")


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU with its links and its price.

    price: None if no sheet has one.
    """

    spec: GpuSpec
    link: LinkSpec
    network: LinkSpec
    price: PriceSpec | None

    @property
    def usd_per_hour(self) -> float:
        """Price of one GPU-hour; 0 if it is not known."""
        return self.price.usd_per_hour if self.price else 0.0


@dataclass(frozen=True, slots=True)
class Machines:
    """Every GPU, every link and every language model that is known, by name.

    aliases: other names of language models.
    """

    gpus: Mapping[str, Gpu]
    links: Mapping[str, LinkSpec]
    llms: Mapping[str, LlmSpec]
    aliases: Mapping[str, str]
    sources: tuple[SourceFile, ...]

    def gpu(self, name: str, place: str) -> Gpu:
        """A GPU by its name. Raises InputError at `place`."""
        return _known(self.gpus, name, place, "GPU")

    def llm(self, name: str, place: str) -> LlmSpec:
        """A language model by its name or another one of it. Raises InputError at `place`."""
        return _known(self.llms, self.aliases.get(name, name), place, "model")


def read_machines(*files: str) -> Machines:
    """The bundled catalogues, extended and replaced by the user's files in their order.

    Raises InputError.
    """
    bundled, sources = _bundled_catalogues()
    own = [read_catalogue(find_file(name)) for name in files]
    return _joined(
        [*bundled, *(catalogue for catalogue, _ in own)],
        (*sources, *(source for _, source in own)),
    )


def read_catalogue(path: Path) -> tuple[Catalogue, SourceFile]:
    """One catalogue file. Raises InputError."""
    data, source = read_json(path)
    return validate(Catalogue, data, str(path)), source


@cache
def _bundled_catalogues() -> tuple[tuple[Catalogue, ...], tuple[SourceFile, ...]]:
    read = [read_catalogue(data_folder() / name) for name in _BUNDLED]
    return tuple(catalogue for catalogue, _ in read), tuple(source for _, source in read)


def _joined(catalogues: Iterable[Catalogue], sources: tuple[SourceFile, ...]) -> Machines:
    catalogues = list(catalogues)
    specs = _last(
        (spec for catalogue in catalogues for spec in catalogue.gpus), lambda spec: spec.name
    )
    links = _last(
        (link for catalogue in catalogues for link in catalogue.links), lambda link: link.name
    )
    llms = _last((llm for catalogue in catalogues for llm in catalogue.llms), lambda llm: llm.name)
    prices = _last(
        (price for catalogue in catalogues for price in catalogue.prices), lambda price: price.gpu
    )
    aliases = {alias: name for catalogue in catalogues for alias, name in catalogue.aliases.items()}
    faults = [
        *_unknown_links(specs, links),
        *(Fault("prices", f"unknown GPU {gpu!r}", near(gpu, specs))
          for gpu in prices if gpu not in specs),
        *(Fault(f"aliases, {alias}", f"unknown model {name!r}", near(name, llms))
          for alias, name in aliases.items() if name not in llms),
    ]  # fmt: skip
    if faults:
        raise InputError(faults)
    gpus = {
        name: Gpu(spec, links[spec.link], links[spec.network], prices.get(name))
        for name, spec in specs.items()
    }
    return Machines(gpus, links, llms, aliases, sources)


def _unknown_links(specs: Mapping[str, GpuSpec], links: Mapping[str, LinkSpec]) -> Iterator[Fault]:
    for spec in specs.values():
        for key, name in (("link", spec.link), ("network", spec.network)):
            if name not in links:
                yield Fault(
                    f"GPU {spec.name!r}, {key}", f"unknown link {name!r}", near(name, links)
                )


def _last(entries: Iterable[Entry], name: Callable[[Entry], str]) -> dict[str, Entry]:
    """Entries by name; a later one replaces an earlier one of the same name."""
    return {name(entry): entry for entry in entries}


def _known(entries: Mapping[str, Entry], name: str, place: str, kind: str) -> Entry:
    if name not in entries:
        raise InputError.single(place, f"unknown {kind} {name!r}", near(name, entries))
    return entries[name]
