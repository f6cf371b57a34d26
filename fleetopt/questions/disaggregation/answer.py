"""`disaggregate`: both phases apart beside aggregated pools, each counted twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleetopt.errors import InfeasibleError
from fleetopt.problem import PhasesApart
from fleetopt.questions.disaggregation.asked import Question
from fleetopt.questions.disaggregation.fleets import Aggregated, Apart, Pair


@dataclass(frozen=True)
class Disaggregation:
    """The answer: fleets of one kind of GPU, pairs of GPUs, and the pair that was asked for.

    mean_isl, mean_osl: tokens of the published rule.
    mean_prompt, mean_output: exact means of what is served.
    """

    stated: PhasesApart
    arrival_rate: float
    mean_isl: int
    mean_osl: int
    mean_prompt: float
    mean_output: float
    aggregated: tuple[Aggregated, ...]
    pairs: tuple[Pair, ...]
    asked: Pair
    notes: tuple[str, ...]

    @property
    def fleets(self) -> tuple[Aggregated | Pair, ...]:
        """All that are compared."""
        return (*self.aggregated, *self.pairs)


def disaggregate(stated: PhasesApart, beside: Path | None = None) -> Disaggregation:
    """Aggregated pools and all pairs of the two GPUs, the pair that was asked for among them.

    beside: folder in which a relative file is looked up first.
    Raises InputError with every fault, the statement's key as its place, and InfeasibleError
    with what binds if the published rule finds no counts for the pair.
    """
    return answer(Question(stated, beside))


def answer(question: Question) -> Disaggregation:
    """The same of a question whose files are read. Raises InfeasibleError."""
    rate, stated = question.arrival_rate, question.stated
    asked = question.pair(stated.gpu_prefill, stated.gpu_decode, rate)
    binding = [asked.misses] if asked.misses else list(_beyond(asked.published, stated, rate))
    if binding:
        raise InfeasibleError(f"{asked.config}: {'; '.join(binding)}")
    lengths = question.case.lengths
    return Disaggregation(
        stated=stated,
        arrival_rate=rate,
        mean_isl=question.mean_isl,
        mean_osl=question.mean_osl,
        mean_prompt=lengths.mean(lengths.prompt_tokens),
        mean_output=lengths.mean(lengths.output_tokens),
        aggregated=tuple(question.aggregated(gpu, rate) for gpu in question.gpus),
        pairs=tuple(question.pair(*names, rate) for names in question.pairs),
        asked=asked,
        notes=question.case.notes,
    )


def _beyond(counts: Apart, stated: PhasesApart, rate: float) -> Iterator[str]:
    """What the largest counts that are allowed cannot serve."""
    phases = (
        ("prefill", counts.n_prefill, stated.max_prefill, counts.prefill_rate),
        ("decode", counts.n_decode, stated.max_decode, counts.decode_rate),
    )
    for phase, needed, most, each in phases:
        if needed > most:
            yield (
                f"{most:,} {phase} replicas serve {most * each:.4g} of {rate:g} requests per "
                f"second, {needed:,} are needed (--max-{phase})"
            )
