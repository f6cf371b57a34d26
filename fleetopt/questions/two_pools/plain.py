"""Questions about two pools that need no check: made of plain records, without pydantic.

What is not plainly sound is left to the checked statement, which knows what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from fleetopt.case import Case
from fleetopt.catalog.files import json_in
from fleetopt.catalog.folders import data_folder
from fleetopt.catalog.lengths import find_lengths, named_after
from fleetopt.errors import InputError
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem.plain import PlainBound, PlainLengths, PlainProblem, PlainProfile
from fleetopt.problem.points import MAX_TOKENS, points_faults
from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.workload.lengths import LengthDistribution, merged_breakpoints

if TYPE_CHECKING:
    from fleetopt.problem import FleetProblem, LengthCdf, ProfileSpec

Values = Mapping[str, Any]
_TEXTS = ("name", "title", "source")


class PlainTwoPools(TwoPools):
    """A question whose values are sound, and whose cases are made as they are.

    It has a split between two pools, and nothing that is simulated.
    """

    def case(self, b_short: int, gammas: Sequence[float] = (1.0,)) -> Case:
        """The case with one fixed threshold."""
        return self._case([self.factor(b_short, gamma) for gamma in gammas], [b_short])

    def case_anywhere(self, gamma: float = 1.0) -> Case:
        """The case that may split at every point of the distribution."""
        return self._case([gamma], [tokens for tokens, _ in self.cdf.cdf])

    def _case(self, gammas: Sequence[float], wanted: Sequence[int]) -> Case:
        problem = PlainProblem(
            slo=(PlainBound(self.t_slo_ms),),
            method=self.method,
            gammas=tuple(sorted({1.0, *gammas})),
            compressible_share=self.p_c,
        )
        lengths = LengthDistribution.from_cdf(self.cdf).clipped(self.long_max_ctx)
        points = merged_breakpoints(lengths, wanted, self.long_max_ctx)
        specs = {gpu.name: gpu for gpu in (self.short, self.long)}
        return Case(
            problem=cast("FleetProblem", problem),
            lengths=lengths.split_at(points),
            breakpoints=points,
            profiles=tuple(map(CalibratedProfile, specs.values())),
            arrival_rate=self.lam,
            sources=(),
            notes=(),
        )


def plainly_asked(values: Values) -> PlainTwoPools | None:
    """The question of values that are plainly sound; None where a closer look is needed.

    values: as the problem takes them, by the keys of `_SOUND`.
    """
    if not values.keys() <= _SOUND.keys() or not _all_sound(_SOUND, values):
        return None
    split, context = _split(values), values["max_context"]
    lengths = _lengths(values["cdf"])
    known = _profiles()
    if lengths is None or not {values["gpu_short"], values["gpu_long"]} <= known.keys():
        return None
    if split is not None and split >= min(context, lengths.max_tokens):
        return None
    return PlainTwoPools(
        cdf=cast("LengthCdf", lengths),
        lam=float(values["arrival_rate"]),
        short=cast("ProfileSpec", known[values["gpu_short"]]),
        long=cast("ProfileSpec", known[values["gpu_long"]]),
        t_slo_ms=float(values["slo.ttft"]),
        long_max_ctx=context,
        availability=float(values.get("availability", 1.0)),
        method=values.get("method", "fleetopt"),
        p_c=float(values.get("compressible_share", PlainProblem.compressible_share)),
    )


def _split(values: Values) -> int | None:
    return int(values["thresholds"][0]) if "thresholds" in values else None


def _lengths(name: str) -> PlainLengths | None:
    """The distribution of a file that holds its points and little else."""
    try:
        path = find_lengths(name)
        data = json_in(path)
    except InputError:
        return None
    stated = {"cdf": data} if isinstance(data, list) else data
    if not isinstance(stated, dict) or not stated.keys() <= _SOUND_LENGTHS.keys():
        return None
    if "cdf" not in stated or not _all_sound(_SOUND_LENGTHS, stated):
        return None
    points = tuple((int(tokens), float(share)) for tokens, share in stated["cdf"])
    return PlainLengths(**{"name": named_after(path), **stated, "cdf": points})


def _profiles() -> dict[str, PlainProfile]:
    """The bundled calibrated profiles whose draw has no cap."""
    data = json_in(data_folder() / "profiles.json")
    names = {field.name for field in fields(PlainProfile)}
    uncapped = [p for p in data["profiles"] if "cap_w" not in p.get("power", {})]
    return {
        stated["name"]: PlainProfile(**{**stated, "power": None})
        for stated in uncapped
        if stated.keys() <= names
    }


def _all_sound(checks: Mapping[str, Callable[[Any], bool]], values: Values) -> bool:
    return all(checks[key](value) for key, value in values.items())


def _is_between(low: float, high: float) -> Callable[[Any], bool]:
    """Whether a value is a number, and not below or above these."""
    return lambda value: type(value) in (int, float) and low <= value <= high


def _is_whole(low: int, high: int) -> Callable[[Any], bool]:
    """The same of a whole number."""
    return lambda value: type(value) is int and low <= value <= high


def _is_text(value: Any) -> bool:
    return type(value) is str


_SOUND: Mapping[str, Callable[[Any], bool]] = {
    "cdf": _is_text,
    "arrival_rate": _is_between(1e-6, 1e6),
    "slo.ttft": _is_between(1e-3, 1e9),
    "max_context": _is_whole(2, MAX_TOKENS),
    "gpu_short": _is_text,
    "gpu_long": _is_text,
    "compressible_share": _is_between(1e-6, 1.0),
    "availability": _is_between(1e-6, 1.0),
    "method": lambda value: value in ("fleetopt", "published"),
    "thresholds": lambda values: len(values) == 1 and _is_whole(1, MAX_TOKENS)(values[0]),
    "gammas": _is_between(1.0, 1000.0),
}
"""Whether a value is plainly within its range; the checked statement may take more."""
_SOUND_LENGTHS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_TEXTS, _is_text),
    "prompt_fraction": _is_between(1e-6, 1.0 - 1e-6),
    "cdf": lambda points: not points_faults(points),
}
