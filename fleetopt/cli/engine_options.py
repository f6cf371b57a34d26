"""Options that state a model, a GPU and how the engine runs one on the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from fleetopt.cli.options import together

if TYPE_CHECKING:
    from fleetopt.problem import EngineConfig, EngineName

_SPELLINGS = {
    "model": "--model", "gpu": "--gpu", "tp": "--tp", "pp": "--pp", "ep": "--ep", "dp": "--dp",
    "weights": "--weights", "kv": "--kv", "compute": "--compute",
    "memory_fraction": "--memory-fraction", "max_num_seqs": "--max-num-seqs",
    "token_budget": "--token-budget", "block_tokens": "--block-tokens",
    "mean_context_tokens": "--context", "name": "--engine",
}  # fmt: skip

model = click.option(
    "--model", required=True, metavar="NAME",
    help="A model of the catalogue, or a config.json of Hugging Face.",
)  # fmt: skip
catalogues = click.option(
    "--catalog", "catalogues", multiple=True, metavar="FILE",
    help="A catalogue of your own, which extends or replaces the bundled ones; repeatable.",
)  # fmt: skip
software = click.option(
    "--engine", "software", metavar="NAME", default="vllm", show_default=True,
    help="Serving engine whose measured runs calibrate the profile: vllm, sglang, trtllm; any for "
         "all of them, none for data sheets alone.",
)  # fmt: skip
numbers = together(
    click.option("--weights", metavar="DTYPE", help="bf16, fp8, fp4 or int4.  [default: bf16]"),
    click.option("--kv", metavar="DTYPE", help="bf16 or fp8.  [default: bf16]"),
    click.option("--compute", metavar="DTYPE",
                 help="bf16, fp8 or fp4; the fastest that weights and GPU allow if absent."),
    click.option("--memory-fraction", metavar="SHARE",
                 help="Share of the GPU's memory that the engine may use.  [default: 0.9]"),
    click.option("--max-num-seqs", metavar="N", help="Most sequences.  [default: 256]"),
    click.option("--token-budget", metavar="TOKENS",
                 help="Prompt and output tokens of one iteration.  [default: 8192]"),
    click.option("--block-tokens", metavar="TOKENS", help="Of a KV block.  [default: 16]"),
)  # fmt: skip
parallel = together(
    click.option("--tp", metavar="N", help="Tensor parallelism.  [default: 1]"),
    click.option("--pp", metavar="N", help="Pipeline parallelism.  [default: 1]"),
    click.option("--ep", metavar="N", help="Expert parallelism.  [default: 1]"),
    click.option("--dp", metavar="N", help="Attention data parallelism.  [default: 1]"),
    click.option("--context", "mean_context_tokens", metavar="TOKENS",
                 help="Context around which the coefficients are fitted.  [default: 2048]"),
)  # fmt: skip


def software_of(given: str) -> EngineName:
    """The serving engine that an option names. Raises InputError."""
    from fleetopt.problem import EngineChoices, validate

    return validate(EngineChoices, {"name": given}, "").name


def engine_of(given: Mapping[str, Any]) -> EngineConfig:
    """The engine that the options state. Raises InputError."""
    from fleetopt.problem import EngineConfig, validate

    stated = {key: value for key, value in given.items() if value is not None}
    return validate(EngineConfig, stated, "")


@contextmanager
def in_options() -> Iterator[None]:
    """Name the option in place of the key in whatever is wrong with the input."""
    from fleetopt.errors import Fault, InputError

    try:
        yield
    except InputError as error:
        raise InputError(
            [
                Fault(_SPELLINGS.get(fault.place, fault.place), fault.expected, fault.suggestion)
                for fault in error.faults
            ]
        ) from None
