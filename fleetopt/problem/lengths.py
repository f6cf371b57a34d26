"""A length distribution as a user states it: points of a cumulative distribution."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated, faults_of
from fleetopt.problem.points import MAX_TOKENS as MAX_TOKENS
from fleetopt.problem.points import points_faults as points_faults

EXPECTED = "expected a list of [tokens, fraction] pairs, or an object with this list as 'cdf'"


Tokens = Annotated[int, Field(strict=True, ge=1, le=MAX_TOKENS)]
Count = Annotated[int, Field(strict=True, ge=1)]


class JointLengths(Stated):
    """How many requests had which prompt and output tokens."""

    binned_above: int | None = Field(default=None, ge=1)
    """Token counts above this one stand at the mean of their bin; all are exact if absent."""
    bins_per_doubling: int | None = Field(default=None, ge=1)
    """Bins between a token count and twice as much."""
    pairs: tuple[tuple[Tokens, Tokens, Count], ...] = Field(min_length=1)
    """Triples (prompt tokens, output tokens, requests)."""


class LengthCdf(Stated):
    """Cumulative distribution of total lengths, with its name and source."""

    name: str = "lengths"
    """Short name of the workload; the file's own name if absent."""
    title: str = ""
    """Full name of the workload."""
    source: str = ""
    """Where the figures come from."""
    prompt_fraction: float = Field(default=0.8, gt=0, lt=1)
    """Prompt tokens as a share of total tokens."""
    cdf: tuple[tuple[int, float], ...]
    """Pairs (tokens, share of requests with at most that many tokens), ascending."""
    joint: JointLengths | None = None
    """Joint table of prompt and output tokens; it replaces the spread between the points, and
    the points stay where a fleet may split."""

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_list(cls, data: Any) -> Any:
        if isinstance(data, list | tuple):
            return {"cdf": data}
        if not isinstance(data, dict | LengthCdf):
            raise FaultsError([Fault("", f"{EXPECTED}, got {data!r:.60}")])
        return data

    @field_validator("cdf", mode="before")
    @classmethod
    def _is_distribution(cls, points: Any) -> Any:
        faults = points_faults(points)
        if faults:
            raise FaultsError(faults)
        return points

    @model_validator(mode="after")
    def _joint_fits_points(self) -> LengthCdf:
        if self.joint is not None:
            faults = _joint_faults(self.joint, self.cdf)
            if faults:
                raise FaultsError(faults)
        return self

    @property
    def max_tokens(self) -> int:
        """Longest total length of the distribution, in tokens."""
        return self.cdf[-1][0]


def _joint_faults(joint: JointLengths, points: tuple[tuple[int, float], ...]) -> list[Fault]:
    """Points at which the joint table says something else than the distribution."""
    ordered = sorted((prompt + output, count) for prompt, output, count in joint.pairs)
    totals = [total for total, _ in ordered]
    below = [0, *accumulate(count for _, count in ordered)]
    shares = [below[bisect_right(totals, tokens)] / below[-1] for tokens, _ in points]
    return [
        Fault(f"cdf[{i}] fraction", f"the joint table says {share:.6g}, got {fraction:.6g}")
        for i, ((_, fraction), share) in enumerate(zip(points, shares, strict=True))
        if abs(share - fraction) > 1e-6
    ]


def name_or_lengths(stated: Any) -> Any:
    """Judge an inline distribution by itself, so that its faults keep their places.

    Raises FaultsError.
    """
    if isinstance(stated, str | LengthCdf):
        return stated
    faults = points_faults(stated) if isinstance(stated, list | tuple) else []
    if not isinstance(stated, dict | list | tuple):
        faults = [Fault("", f"expected a file, a workload's name or points, got {stated!r}")]
    if faults:
        raise FaultsError(faults)
    try:
        return LengthCdf.model_validate(stated)
    except ValidationError as error:
        raise FaultsError(faults_of(error, LengthCdf)) from None
