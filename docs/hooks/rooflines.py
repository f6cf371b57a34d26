"""How far the uncalibrated roofline is from figures that others measured or estimated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleetopt.catalog import read_machines
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.roofline import UNCALIBRATED, Load, iteration_seconds
from fleetopt.problem import EngineConfig

ESTIMATED = "engine estimate, Llama-3.1-70B"
MEASURED = "Splitwise, Llama-2-70B"
DECODES = {1: 10.1, 8: 10.1, 32: 11.1, 128: 14.6}
"""Sequences at 1024 tokens of context, and ms of an iteration."""
PREFILLS = {512: 26.5, 2048: 85.9, 8192: 344.0}
"""Prompt tokens, and ms."""
SPLITWISE = {
    # GPU: prompt tokens and ms, and ms of a token at 512 (Patel et al., ISCA 2024)
    "a100": ({512: 93.0, 2048: 282.7}, 45.0),
    "h100": ({512: 53.9, 2048: 134.4}, 30.6),
}


@dataclass(frozen=True)
class Comparison:
    """One figure: who says so, on which GPUs, for what, and both values in ms."""

    source: str
    gpu: str
    load: str
    stated_ms: float
    computed_ms: float

    @property
    def distance(self) -> float:
        """Relative distance of the computed value."""
        return self.computed_ms / self.stated_ms - 1.0


def comparisons() -> Iterator[Comparison]:
    """All of them, on 8 GPUs with tensor parallelism in BF16."""
    for n, ms in DECODES.items():
        load = Load(sequences=n, context_tokens=1024)
        yield _compared(ESTIMATED, "h100", f"decode, {n} x 1,024 tokens", ms, load)
    for tokens, ms in PREFILLS.items():
        yield _compared(ESTIMATED, "h100", f"prefill, {tokens:,} tokens", ms, _prompt(tokens))
    for gpu, (prompts, token_ms) in SPLITWISE.items():
        for tokens, ms in prompts.items():
            yield _compared(MEASURED, gpu, f"prefill, {tokens:,} tokens", ms, _prompt(tokens))
        load = Load(sequences=1, context_tokens=512)
        yield _compared(MEASURED, gpu, "decode, 1 x 512 tokens", token_ms, load)


def table() -> str:
    """One row for each figure."""
    rows = [
        f"| {one.source} | {one.gpu} | {one.load} | {one.stated_ms:g} | {one.computed_ms:.1f} "
        f"| {one.distance:+.0%} |"
        for one in comparisons()
    ]
    head = "| source | GPUs | iteration | ms stated | ms computed | distance |"
    return "\n".join([head, "| --- | --- | --- | ---: | ---: | ---: |", *rows])


def _compared(source: str, gpu: str, load: str, stated_ms: float, done: Load) -> Comparison:
    machines = read_machines()
    llm = machines.llms["llama-3.1-70b"]
    if source == MEASURED:
        llm = llm.model_copy(update={"vocab": 32_000})
    deployment = Deployment.of(llm, machines.gpus[gpu], EngineConfig(tp=8))
    seconds = iteration_seconds(deployment, done, UNCALIBRATED)
    return Comparison(source, f"8 {gpu}", load, stated_ms, 1e3 * seconds)


def _prompt(tokens: int) -> Load:
    return Load(prefill_tokens=tokens, attended_tokens=tokens / 2)
