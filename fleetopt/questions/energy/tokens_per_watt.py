"""Which GPU makes most output tokens of a joule? One pool of each, beside the published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetopt.case import Case
from fleetopt.errors import Fault, InputError
from fleetopt.inputs import inputs_of
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.plan import EnergyPrediction
from fleetopt.problem import FleetProblem
from fleetopt.questions.energy.pools import (
    FleetEnergy,
    check_power,
    is_published,
    pool_energy,
    replicas_at,
    table_of,
)
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import LengthDistribution

PUBLISHED_CONTEXT = 8192
"""Context window that the published tool cuts all lengths to unless it is told otherwise."""
SWEEP = (0.2, 0.4, 0.6, 0.8)
"""Utilizations of the published sweep."""
MOST_CUT_TOKENS = 0.001
"""Share of the tokens that a context window may cut off and still stand for the workload."""


@dataclass(frozen=True)
class SweepPoint:
    """The fewest replicas that are at most so busy, and what they draw."""

    utilization: float
    fleet: FleetEnergy


@dataclass(frozen=True)
class GpuEnergy:
    """One GPU type: a pool of its own for all requests.

    cut: the same with lengths cut to the published context; None where that is the same.
    published: by the published formulas, with lengths cut to the published context; None where
    they say nothing, as of TPOT or of derived profiles.
    sweep: by utilization; empty unless it was asked for. year: of `fleet`, at the problem's prices.
    """

    fleet: FleetEnergy
    cut: FleetEnergy | None
    published: FleetEnergy | None
    sweep: tuple[SweepPoint, ...]
    year: EnergyPrediction

    @property
    def gpu(self) -> str:
        """Name of the profile."""
        return self.fleet.label


@dataclass(frozen=True)
class TokensPerWatt:
    """GPU types in the order in which they were given.

    method: of their `fleet`. context_tokens: context window of `fleet`; published_context_tokens
    that of `published` and `cut`. cut_requests, cut_tokens: shares of the requests and of the
    tokens that the latter cuts. Both contexts are the user's where one was stated.
    notes: of the profiles.
    """

    problem: FleetProblem
    gpus: tuple[GpuEnergy, ...]
    context_tokens: int
    published_context_tokens: int
    cut_requests: float
    cut_tokens: float
    notes: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """How `fleet` was computed."""
        return self.problem.method

    @property
    def best(self) -> GpuEnergy:
        """The GPU with most tokens per watt of those that keep the SLO, else of all."""
        meeting = [gpu for gpu in self.gpus if gpu.fleet.meets] or self.gpus
        return max(meeting, key=lambda gpu: gpu.fleet.tokens_per_watt)


@dataclass(frozen=True)
class Contexts:
    """A problem at the context windows of the two methods.

    whole: by the problem's method. cut: by fleetopt's, at the published context; None where
    `whole` says the same. published: by the published method; None where it says nothing.
    published_context: in tokens.
    """

    whole: Case
    cut: Case | None
    published: Case | None
    published_context: int
    cut_requests: float
    cut_tokens: float

    @classmethod
    def of(cls, problem: FleetProblem, beside: Path | None = None) -> Contexts:
        """Read a problem. Raises InputError with every fault."""
        stated, inputs = inputs_of(problem, beside)
        lengths = LengthDistribution.from_cdf(inputs.lengths)
        published = stated.max_context or PUBLISHED_CONTEXT
        requests, tokens = cut_shares(lengths, published)
        own = published
        if stated.max_context is None and stated.method == "fleetopt" and tokens > MOST_CUT_TOKENS:
            own = int(lengths.total_tokens[-1])
        whole = Case.of(_at(stated, stated.method, own), beside)
        same = own == published or stated.method == "published"
        comparable = stated.method == "published" or is_published(stated, whole.profiles)
        return cls(
            whole,
            None if same else Case.of(_at(stated, "fleetopt", published), beside),
            Case.of(_at(stated, "published", published), beside) if comparable else None,
            published,
            requests,
            tokens,
        )


def cut_shares(lengths: LengthDistribution, context_tokens: int) -> tuple[float, float]:
    """Shares of the requests and of the tokens that a context window cuts off."""
    beyond = lengths.total_tokens.clip(min=context_tokens) - context_tokens
    tokens = lengths.mean(beyond) / lengths.mean(lengths.total_tokens)
    return max(0.0, 1.0 - lengths.share(0, context_tokens)), tokens


def tokens_per_watt(
    problem: FleetProblem,
    beside: Path | None = None,
    *,
    gpus: Sequence[int] | None = None,
    sweep: Sequence[float] = (),
) -> TokensPerWatt:
    """Output tokens per watt of one pool of each of the problem's GPU types.

    With a model these are its profiles on the problem's GPUs, one for each engine configuration.

    gpus: how many of each type; the fewest that keep the SLO if absent.
    sweep: utilizations above 0, such as `SWEEP`, at which to size pools as well.
    Lengths are whole unless the problem states a largest context, or the published one cuts
    off next to nothing. Raises InputError with every fault.
    """
    contexts = Contexts.of(problem, beside)
    check_power(contexts.whole.profiles)
    counts = _replicas(contexts.whole.profiles, gpus)
    low = [
        Fault("sweep", f"expected utilizations above 0, got {rho:g}") for rho in sweep if rho <= 0
    ]
    if low:
        raise InputError(low)
    return TokensPerWatt(
        problem=contexts.whole.problem,
        gpus=tuple(
            _gpu(contexts, profile.name, count, sweep)
            for profile, count in zip(contexts.whole.profiles, counts, strict=True)
        ),
        context_tokens=contexts.whole.breakpoints[-1],
        published_context_tokens=contexts.published_context,
        cut_requests=contexts.cut_requests,
        cut_tokens=contexts.cut_tokens,
        notes=tuple(note for note in contexts.whole.notes if not note.startswith("clipped")),
    )


def one_pool(case: Case, gpu: str, replicas: int | None = None) -> FleetEnergy:
    """A pool of one GPU type for all requests."""
    return FleetEnergy(gpu, (pool_energy(case, everything(case), case.profile(gpu), replicas),))


def everything(case: Case) -> Served:
    """What a pool for all requests serves."""
    return Served(0, case.breakpoints[-1])


def _gpu(contexts: Contexts, gpu: str, count: int | None, sweep: Sequence[float]) -> GpuEnergy:
    case = contexts.whole
    fleet = one_pool(case, gpu, count)
    table = table_of(case, everything(case), case.profile(gpu))
    points = [SweepPoint(rho, one_pool(case, gpu, replicas_at(table, rho))) for rho in sweep]
    published = fleet if case.problem.method == "published" else None
    if published is None and contexts.published is not None:
        published = one_pool(contexts.published, gpu, count)
    cut = None if contexts.cut is None else one_pool(contexts.cut, gpu, count)
    return GpuEnergy(fleet, cut, published, tuple(points), _year(case.problem, fleet))


def _year(problem: FleetProblem, fleet: FleetEnergy) -> EnergyPrediction:
    (pool,) = fleet.pools
    per_hour = pool.usd_per_hour
    return EnergyPrediction.of(
        problem, fleet.kilowatts, pool.tokens_per_s, per_hour, pool.power_quality
    )


def _at(problem: FleetProblem, method: str, context_tokens: int) -> FleetProblem:
    """The problem by a method, with all lengths cut to a context window."""
    changed = {"method": method, "max_context": context_tokens, "overlong": "clip"}
    return problem.model_copy(update=changed)


def _replicas(profiles: Sequence[ReplicaProfile], gpus: Sequence[int] | None) -> list[int | None]:
    """Replicas of each type. Raises InputError with every count that is no whole number of them."""
    if gpus is None:
        return [None] * len(profiles)
    if len(gpus) != len(profiles):
        text = f"expected one count for each of {len(profiles)} GPU types, got {len(gpus)}"
        raise InputError.single("n_gpus", text)
    faults = [
        Fault(
            f"n_gpus[{i}]",
            f"expected a multiple of {profile.gpus_per_replica} above 0 for {profile.name}, "
            f"got {count}",
        )
        for i, (profile, count) in enumerate(zip(profiles, gpus, strict=True))
        if count < 1 or count % profile.gpus_per_replica
    ]
    if faults:
        raise InputError(faults)
    return [
        count // profile.gpus_per_replica for profile, count in zip(profiles, gpus, strict=True)
    ]
