"""A workload file: lengths and arrivals, as they were measured on recorded traffic."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleetopt.problem.faults import Stated
from fleetopt.problem.lengths import LengthCdf

WORKLOAD_SCHEMA = "fleetopt.workload/1"

NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class RateProfile(Stated):
    """The arrival rate over the time of the recording."""

    bin_s: float = Field(gt=0)
    """Length of a bin, in seconds; the last one ends with the recording."""
    rates: tuple[NotNegative, ...] = Field(min_length=1)
    """Requests per second in each bin."""
    start_utc: str = ""
    """When the recording starts, if the source tells it."""
    hours_utc: tuple[NotNegative | None, ...] = ()
    """Requests per second in each hour of the day, null where nothing was recorded; empty if
    the time of day is not known."""


class ArrivalFigures(Stated):
    """How requests arrived."""

    requests: int = Field(ge=2)
    """Requests recorded."""
    duration_s: float = Field(gt=0)
    """Seconds from the first to the last arrival."""
    rate: float = Field(gt=0, le=1e8)
    """Mean arrival rate, in requests per second."""
    gap_cv2: float = Field(ge=0)
    """Squared coefficient of variation of the gaps; 1 for Poisson arrivals."""
    dispersion: tuple[tuple[Positive, NotNegative], ...] = ()
    """Pairs (window in seconds, variance of the arrivals in it over their mean)."""
    peak_rates: tuple[tuple[Positive, Positive], ...] = ()
    """Pairs (window in seconds, largest rate over any such window in requests per second)."""
    profile: RateProfile
    """The rate over time."""


class RecordedFile(Stated):
    """A file that a workload was fitted to."""

    path: str
    """The file, as it was named."""
    sha256: str
    """SHA-256 of its content."""
    format: str
    """What kind of file it is."""
    requests: int = Field(ge=0)
    """Requests read from it."""
    skipped: int = Field(default=0, ge=0)
    """Bad lines that were left out."""


class Workload(LengthCdf):
    """Lengths and arrivals of recorded traffic."""

    arrivals: ArrivalFigures | None = None
    """How requests arrived; absent if the recording has no times."""
    models: dict[str, int] = Field(default_factory=dict)
    """Requests for each model, if the recording names models."""
    categories: dict[str, int] = Field(default_factory=dict)
    """Requests of each category, if the recording names categories."""
    files: tuple[RecordedFile, ...] = ()
    """What the workload was fitted to."""

    def lengths(self) -> LengthCdf:
        """The lengths alone."""
        return LengthCdf.model_construct(
            **{name: getattr(self, name) for name in LengthCdf.model_fields}
        )
