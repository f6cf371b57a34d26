"""The question with its files read: pairs of GPUs and aggregated pools at any arrival rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

from fleetopt.case import Case
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.errors import Fault, InputError, near
from fleetopt.optimization.tables import maker
from fleetopt.performance.phase_links import KvPath, path_of, resolved_links
from fleetopt.performance.profile import CalibratedProfile, ReplicaProfile, calibrated
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import FleetProblem, LatencyBound, LengthCdf, PhasesApart, Workload
from fleetopt.questions.disaggregation.fleets import Aggregated, Pair, Together, fewest
from fleetopt.queueing.published_phases import PhaseLoad, mean_lengths, tpot_s, ttft_s
from fleetopt.workload.compression import Served

Method = Literal["published", "fleetopt"]
METHODS: tuple[Method, ...] = ("published", "fleetopt")
DEFAULT_RATE = 200.0
"""Requests per second where nobody says any: the published default."""


class Question:
    """A statement with everything that it names read. Raises InputError with every fault."""

    def __init__(self, stated: PhasesApart, beside: Path | None = None) -> None:
        self.stated = stated
        lengths, self._profiles = read(stated, beside)
        self.arrival_rate = stated.lam or rate_of(lengths)
        isl, osl = mean_lengths(tuple(lengths.cdf))
        self.mean_isl, self.mean_osl = stated.mean_isl or isl, stated.mean_osl or osl
        self._raise_unfit_means()
        self._cases = {method: self._case(lengths, method) for method in METHODS}
        self.case = self._cases["fleetopt"]
        if stated.links:
            _ = self.paths  # its faults are the statement's

    @property
    def gpus(self) -> tuple[str, ...]:
        """The two GPUs, or the one for both phases."""
        return tuple(dict.fromkeys((self.stated.gpu_prefill, self.stated.gpu_decode)))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every GPU for prefill with every GPU for decode, the pair that was asked for first."""
        return tuple((first, second) for first in self.gpus for second in reversed(self.gpus))

    def pair(self, prefill: str, decode: str, rate: float) -> Pair:
        """The fewest replicas of both phases for an arrival rate, counted in both ways."""
        first, second = self.case.profile(prefill), self.case.profile(decode)
        context, lengths = self.stated.max_ctx, self.case.lengths
        chunk = first.iteration.chunk_tokens
        published = (
            PhaseLoad.published_prefill(self.mean_isl, chunk),
            PhaseLoad.published_decode(self.mean_osl),
        )
        exact = PhaseLoad.prefill(lengths, chunk), PhaseLoad.decode(lengths)
        ttft_ms = 1000.0 * self._ttft_s(first, prefill, decode)
        tpot_ms = 1000.0 * tpot_s(calibrated(second), context)
        return Pair(
            prefill, decode, ttft_ms, tpot_ms,
            fewest((first, second), published, context, rate),
            fewest((first, second), exact, context, rate),
            self._misses(prefill, decode, ttft_ms, tpot_ms),
        )  # fmt: skip

    def _ttft_s(self, first: ReplicaProfile, prefill: str, decode: str) -> float:
        """The published TTFT, with a factor for the transfer of KV or its time on the link.

        Infinite where the link counts and there is none.
        """
        context, factor = self.stated.max_ctx, self.stated.ttft_factor
        if factor is not None:
            return ttft_s(calibrated(first), context, self.mean_isl, factor)
        path = self.paths.get((prefill, decode))
        if path is None:
            return math.inf
        alone = ttft_s(calibrated(first), context, self.mean_isl, 1.0)
        return alone + path.seconds(self.mean_isl)

    @cached_property
    def paths(self) -> dict[tuple[str, str], KvPath]:
        """How KV goes between each pair of GPUs that a link joins. Raises InputError."""
        specs = [self._profiles[name].spec for name in self.gpus]
        gpus = {spec.name: spec.gpus_per_replica for spec in specs}
        problem = self.case.problem.model_copy(
            update={"phases": "apart", "links": self.stated.links}
        )
        links = resolved_links(problem, specs)
        return {(link.prefill or "", link.decode or ""): path_of(link, gpus) for link in links}

    def aggregated(self, gpu: str, rate: float) -> Aggregated:
        """One pool for an arrival rate, by both methods."""
        published = self._together("published", gpu, rate)
        assert published is not None  # its search has no end
        return Aggregated(gpu, published, self._together("fleetopt", gpu, rate))

    def _together(self, method: Method, gpu: str, rate: float) -> Together | None:
        case, profile = self._cases[method], self.case.profile(gpu)
        table = maker(case, profile)(Served(0, case.breakpoints[-1]), rate)
        replicas = table.min_replicas()
        if replicas is None:
            return None
        row = table.row(replicas)
        ttft, tpot = (row.percentile_s(metric, 99.0) for metric in ("ttft", "tpot"))
        return Together(
            gpus=replicas * profile.gpus_per_replica,
            usd_per_year=replicas * profile.usd_per_hour * HOURS_PER_YEAR,
            ttft_ms=1000.0 * (math.inf if ttft is None else ttft),
            tpot_ms=None if tpot is None else 1000.0 * tpot,
        )

    def _misses(self, prefill: str, decode: str, ttft_ms: float, tpot_ms: float) -> str:
        stated = self.stated
        said = []
        if math.isinf(ttft_ms):
            said.append(f"no link takes KV from {prefill} to {decode}")
        elif ttft_ms > stated.slo_ttft_ms:
            said.append(
                f"the TTFT of a prefill replica ({prefill}) is {ttft_ms:.4g} ms, "
                f"above {stated.slo_ttft_ms:g} ms, in any number"
            )
        if tpot_ms > stated.slo_tpot_ms:
            said.append(
                f"the TPOT of a decode replica ({decode}) is {tpot_ms:.4g} ms, "
                f"above {stated.slo_tpot_ms:g} ms, in any number"
            )
        return "; ".join(said)

    def _raise_unfit_means(self) -> None:
        stated, total = self.stated, self.mean_isl + self.mean_osl
        if total > stated.max_ctx:
            place = "mean_osl" if stated.mean_osl and not stated.mean_isl else "mean_isl"
            text = (
                f"mean prompt and output are {self.mean_isl:,} + {self.mean_osl:,} tokens, "
                f"above the context of {stated.max_ctx:,}"
            )
            raise InputError.single(place, text, "lower the means or raise the context")

    def _case(self, lengths: LengthCdf, method: Method) -> Case:
        stated, known = self.stated, self._profiles
        slo = [LatencyBound(metric="ttft", limit_ms=stated.slo_ttft_ms)]
        if method == "fleetopt":  # the published method predicts no TPOT
            slo.append(LatencyBound(metric="tpot", limit_ms=stated.slo_tpot_ms))
        problem = FleetProblem(
            cdf=lengths, arrival_rate=self.arrival_rate, slo=tuple(slo), gpus=self.gpus,
            profiles=tuple(known[name].spec for name in self.gpus), max_pools=1,
            max_context=stated.max_ctx, overlong="clip", method=method,
        )  # fmt: skip
        return Case.of(problem)


def read(
    stated: PhasesApart, beside: Path | None = None
) -> tuple[LengthCdf, dict[str, CalibratedProfile]]:
    """The lengths and the profiles that a statement names.

    Raises InputError with every fault, the statement's key as its place.
    """
    specs = {**read_profiles(), **{spec.name: spec for spec in stated.profiles}}
    profiles = {name: CalibratedProfile(spec) for name, spec in specs.items()}
    faults, lengths = list(_gpu_faults(stated, profiles)), stated.cdf
    if isinstance(lengths, str):
        try:
            lengths = read_lengths(lengths, beside)[0]
        except InputError as error:
            faults = [*error.faults, *faults]
    if faults or isinstance(lengths, str):
        raise InputError(faults)
    return lengths, profiles


def _gpu_faults(stated: PhasesApart, profiles: Mapping[str, CalibratedProfile]) -> Iterator[Fault]:
    for key, name in (("gpu_prefill", stated.gpu_prefill), ("gpu_decode", stated.gpu_decode)):
        if name not in profiles:
            yield Fault(key, f"unknown GPU {name!r}", near(name, profiles))
        elif profiles[name].reserved(stated.max_ctx).slots < 1:
            yield Fault("max_ctx", f"no replica of {name} holds {stated.max_ctx:,} tokens")


def rate_of(lengths: LengthCdf) -> float:
    """The arrival rate that a workload file states, else the published default."""
    figures = lengths.arrivals if isinstance(lengths, Workload) else None
    return figures.rate if figures else DEFAULT_RATE
