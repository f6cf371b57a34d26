"""A catalogue file: GPUs, links, language models and prices, bundled or the user's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fleetopt.problem.faults import Stated
from fleetopt.problem.hardware import GpuSpec, LinkSpec, PriceSpec
from fleetopt.problem.llm import LlmSpec

CATALOGUE_SCHEMA: Literal["fleetopt.catalogue/1"] = "fleetopt.catalogue/1"


class Catalogue(Stated):
    """Entries that extend the bundled ones, or replace those of the same name."""

    format: Literal["fleetopt.catalogue/1"] = Field(default=CATALOGUE_SCHEMA, alias="schema")
    """What kind of file this is."""
    gpus: tuple[GpuSpec, ...] = ()
    """GPUs."""
    links: tuple[LinkSpec, ...] = ()
    """Links between GPUs."""
    llms: tuple[LlmSpec, ...] = ()
    """Language models."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other names of language models, such as of later releases of the same sizes."""
    prices: tuple[PriceSpec, ...] = ()
    """Prices of GPUs."""
