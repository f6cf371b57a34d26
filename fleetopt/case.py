"""A problem with its files read: the distribution, the profiles and the split points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fleetopt.errors import InputError
from fleetopt.inputs import inputs_of, series_notes, trace_notes
from fleetopt.performance.capped import is_felt, with_caps
from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.workload.compression import Node, Served, path_nodes, reach
from fleetopt.workload.lengths import LengthDistribution, merged_breakpoints

if TYPE_CHECKING:
    from fleetopt.catalog import SourceFile
    from fleetopt.extension import Extension
    from fleetopt.performance.phase_links import PhasePairs
    from fleetopt.problem import FleetProblem, LengthCdf

_NOTHING = 1e-12
"""Share of the requests below which a pool serves none: all its own are compressed."""
MOST_OVERLONG = 0.01
"""Share of requests beyond the largest context that is clipped without being asked for."""


@dataclass(frozen=True, eq=False)
class Case:
    """What a problem states, resolved.

    problem: with the distribution and the profiles written into it, so that it stands alone.
    lengths: requests that the fleet serves; breakpoints: 0 = t_0 < ... < t_m.
    arrival_rate: requests per second to design for, headroom included and rejected ones not.
    extension: Python that changes the program; None unless it was read and permitted.
    """

    problem: FleetProblem
    lengths: LengthDistribution
    breakpoints: tuple[int, ...]
    profiles: tuple[ReplicaProfile, ...]
    arrival_rate: float
    sources: tuple[SourceFile, ...]
    notes: tuple[str, ...]
    extension: Extension | None = None

    @classmethod
    def of(
        cls, problem: FleetProblem, beside: Path | None = None, extension: Extension | None = None
    ) -> Case:
        """Read what the problem names but its extension; raises InputError with every fault."""
        from fleetopt.performance import coefficient, phase_links

        problem, inputs = inputs_of(problem, beside)
        lengths, share, notes = _served(problem, inputs.lengths, inputs.max_context)
        specs = with_caps(inputs.profiles, problem.power_caps)
        wanted = lengths.breakpoints if problem.thresholds is None else problem.thresholds
        points = merged_breakpoints(lengths, wanted, inputs.max_context)
        return cls(
            problem=problem.model_copy(
                update={
                    "cdf": inputs.lengths,
                    "profiles": specs,
                    "gpus": tuple(spec.name for spec in specs),
                    "power_caps": (),
                    "links": phase_links.resolved_links(problem, specs, beside),
                }
            ),
            lengths=lengths.split_at(points),
            breakpoints=points,
            profiles=tuple(coefficient.profile_of(spec) for spec in specs),
            arrival_rate=problem.design_rate * share,
            sources=(*inputs.sources, *([extension.source] if extension else [])),
            notes=(*notes, *trace_notes(problem), *series_notes(problem), *inputs.notes),
            extension=extension,
        )

    def capacity(self, profile: ReplicaProfile, max_context: int) -> Capacity:
        """The batch of a replica of a pool, under the problem's admission rule."""
        if (profile.admission or self.problem.admission) == "paged":
            most = profile.max_num_seqs or self.problem.max_num_seqs
            return profile.paged(max_context, most)
        return profile.reserved(max_context)

    def prefill_capacity(self, profile: ReplicaProfile, max_context: int) -> Capacity:
        """The batch of a replica that only prefills: whole prompts in turn unless stated."""
        capacity = self.capacity(profile, max_context)
        return replace(capacity, slots=min(self.problem.prefill_batch, capacity.slots))

    def offers(self, profile: ReplicaProfile, max_context: int) -> bool:
        """Whether a pool may run on a profile: it has a slot, and its cap is felt if it has one.

        One that the cap does not touch is the pool of the profile without a cap.
        """
        return self.has_use_for(profile, self.capacity(profile, max_context))

    def has_use_for(self, profile: ReplicaProfile, capacity: Capacity) -> bool:
        """The same, of a batch that is known."""
        slots = capacity.slots
        return slots >= 1 and (self.without_cap(profile) is None or is_felt(profile, slots))

    def without_cap(self, profile: ReplicaProfile) -> ReplicaProfile | None:
        """The same profile without its power cap; None if it has none, or stands alone."""
        if profile.power is None or profile.power.cap_w is None:
            return None
        return self._profiles.get(profile.name.rpartition("@")[0])

    def profile(self, name: str) -> ReplicaProfile:
        """A profile of the problem by its name."""
        return self._profiles[name]

    @cached_property
    def _profiles(self) -> dict[str, ReplicaProfile]:
        return {profile.name: profile for profile in self.profiles}

    @property
    def has_together(self) -> bool:
        """Whether pools may do both phases of their requests."""
        return self.problem.phases != "apart"

    @cached_property
    def phase_pairs(self) -> tuple[PhasePairs, ...]:
        """Profiles that may prefill and decode apart, by their links; none where they may not.

        Where E2E is bounded, once for each share of its limits that TTFT may have.
        """
        from fleetopt.performance.phase_links import E2E_SHARES, pairs_of

        pairs = pairs_of(self.problem.links, self.problem.profiles)
        if all(bound.metric != "e2e" for bound in self.problem.slo):
            return pairs
        return tuple(shared for pair in pairs for shared in pair.with_shares(E2E_SHARES))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Where a path of pools may split: breakpoints, with what is compressed to each."""
        return path_nodes(self.breakpoints, self.problem.gammas)

    def arcs(self) -> Sequence[Served]:
        """What a pool may serve; only neighbours of fixed thresholds.

        What is compressed below a pool is no longer than what the pool itself serves.
        """
        return self._arcs

    @cached_property
    def _arcs(self) -> tuple[Served, ...]:
        return tuple(what for what in self._pairs() if self.has_requests(what))

    def _pairs(self) -> Iterator[Served]:
        position = {tokens: i for i, tokens in enumerate(self.breakpoints)}
        for lo, gamma_lo in self.nodes:
            for hi, gamma_hi in self.nodes:
                far = self.problem.thresholds is not None and position[hi] > position[lo] + 1
                if lo < hi and reach(lo, gamma_lo) <= hi and not far:
                    yield self.serves(lo, hi, gamma_lo, gamma_hi)

    def serves(
        self, lo_tokens: int, hi_tokens: int, gamma_lo: float = 1.0, gamma_hi: float = 1.0
    ) -> Served:
        """What the pool between two nodes serves."""
        share = self.problem.compressible_share if max(gamma_lo, gamma_hi) > 1.0 else 0.0
        return Served(lo_tokens, hi_tokens, gamma_lo, gamma_hi, share)

    def has_requests(self, what: Served) -> bool:
        """Whether a pool serves any; none are left where all its own are compressed."""
        return self.lengths.served_share(what) > _NOTHING

    def pool_rate(self, what: Served) -> float:
        """Requests per second of a pool."""
        return self.arrival_rate * self.lengths.served_share(what)


def _served(
    problem: FleetProblem, stated: LengthCdf, max_context: int
) -> tuple[LengthDistribution, float, tuple[str, ...]]:
    """The requests that the fleet serves, their share of all, and what to say of the others."""
    whole = LengthDistribution.from_cdf(stated)
    clipped = whole.clipped(max_context)
    share = clipped.clipped_share
    if share == 0.0:
        return clipped, 1.0, ()
    if problem.overlong is None and share > MOST_OVERLONG:
        raise InputError.single(
            "overlong",
            f"{100 * share:.3g} % of the requests are longer than the largest context, "
            f"{max_context} tokens",
            "say overlong = 'clip' or 'reject', or raise the largest context",
        )
    if problem.overlong == "reject":
        kept = whole.within(0, max_context).with_last_breakpoint(max_context)
        rate = problem.design_rate * share
        text = f"rejected: {100 * share:.3g} % of the requests, {rate:.3g} per second, are longer"
        return kept, 1.0 - share, (f"{text} than {max_context} tokens",)
    text = f"clipped: {100 * share:.3g} % of the requests are longer than {max_context} tokens"
    return clipped, 1.0, (f"{text} and count as that long",)
