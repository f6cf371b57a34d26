"""Power draw of a GPU over its batch: logistic or linear, and the batch behind a draw."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fleetopt.problem import PowerCurve


_UNLIMITED = 1 << 20
"""Sequences that no replica runs."""


class PowerModel(Protocol):
    """Draw of one GPU in watts; it never falls with the batch.

    quality: "HIGH", "FAIR" or "LOW", as well as it is measured. source: where it comes from.
    """

    @property
    def idle_w(self) -> float:
        """Draw without requests."""
        ...

    @property
    def nominal_w(self) -> float:
        """Draw that a growing batch approaches."""
        ...

    @property
    def cap_w(self) -> float | None:
        """Most that a GPU may draw, by a smaller batch; None without a cap."""
        ...

    @property
    def quality(self) -> str:
        """How well the curve is measured."""
        ...

    @property
    def source(self) -> str:
        """Where the figures come from."""
        ...

    def watts(self, batch: float) -> float:
        """Draw of one GPU with `batch` active sequences."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LogisticPower:
    """P(n) = idle + (nominal - idle) / (1 + exp(-k (log2 max(1, n) - x0))), in watts."""

    idle_w: float
    nominal_w: float
    steepness: float
    midpoint_log2: float
    quality: str
    source: str
    cap_w: float | None = None

    def watts(self, batch: float) -> float:
        """Draw of one GPU with `batch` active sequences."""
        exponent = -self.steepness * (math.log2(max(1.0, batch)) - self.midpoint_log2)
        return self.idle_w + (self.nominal_w - self.idle_w) / (1.0 + math.exp(exponent))


def projected_power(tdp_w: float) -> LogisticPower:
    """A curve for a GPU that nobody measured: the H100's, scaled by the largest draw.

    The H100 of 700 W idles between batches at 300 W and approaches 600 W (ML.ENERGY v3.0,
    arXiv:2601.22076).
    """
    return LogisticPower(
        idle_w=tdp_w * 3.0 / 7.0,
        nominal_w=tdp_w * 6.0 / 7.0,
        steepness=1.0,
        midpoint_log2=4.2,
        quality="LOW",
        source="projected from the H100's shares of its largest draw (arXiv:2601.22076)",
    )


@dataclass(frozen=True, slots=True)
class LinearPower:
    """P(n) = idle + (nominal - idle) min(1, n / full_batch), in watts."""

    idle_w: float
    nominal_w: float
    full_batch: int
    quality: str
    source: str
    cap_w: float | None = None

    def watts(self, batch: float) -> float:
        """Draw of one GPU with `batch` active sequences."""
        share = min(1.0, batch / self.full_batch)
        return self.idle_w + (self.nominal_w - self.idle_w) * share


def power_model(curve: PowerCurve) -> PowerModel:
    """The model of a catalogue entry."""
    ends = (curve.idle_w, curve.nominal_w)
    if curve.full_batch is not None:
        return LinearPower(*ends, curve.full_batch, curve.quality, curve.source, curve.cap_w)
    if curve.steepness is None or curve.midpoint_log2 is None:
        raise AssertionError("a validated curve is logistic or linear")
    slope = (curve.steepness, curve.midpoint_log2)
    return LogisticPower(*ends, *slope, curve.quality, curve.source, curve.cap_w)


def known_as(curves: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """How well the power of profiles is measured, as every report says it.

    curves: name of the profile, quality and source; those alike are in one note.
    """
    alike: dict[tuple[str, str], dict[str, None]] = {}
    for name, quality, source in curves:
        alike.setdefault((quality, source), {})[name] = None
    for (quality, source), names in alike.items():
        caveat = ", so its figures may be off by much" if quality == "LOW" else ""
        origin = f" ({source})" if source else ""
        yield f"the power of {', '.join(names)} is of {quality} quality{origin}{caveat}"


def largest_batch(power: PowerModel, watts: float, most: int) -> int:
    """The most sequences, up to `most`, that draw at most `watts`; 0 if one draws more.

    A search over whole batches, so that the answer is exact for every curve.
    """
    return bisect_right(range(1, most + 1), watts, key=power.watts)


@lru_cache(maxsize=1024)
def batch_under_cap(power: PowerModel) -> int:
    """The most sequences that a GPU under its cap runs; 0 if one draws more.

    A cap limits the batch and leaves the clock as it is: no profile says how time grows when
    the clock falls.
    """
    return _UNLIMITED if power.cap_w is None else largest_batch(power, power.cap_w, _UNLIMITED)


def prefilling_w(power: PowerModel, chunk_tokens: int) -> float:
    """Draw of one GPU while its replica does nothing but prefill.

    A chunk of a prompt keeps it as busy as a batch of as many sequences that decode, and draws
    P(chunk tokens): every token of an iteration is computed, whichever sequence it is of.
    """
    return power.watts(chunk_tokens)


def provisioned_w(power: PowerModel, slots: int) -> float:
    """Draw of one GPU that a power budget has to hold: every slot busy, or its cap.

    The cap itself counts where it, and not the memory, limits the batch.
    """
    if power.cap_w is not None and slots >= batch_under_cap(power):
        return min(power.cap_w, power.nominal_w)
    return power.watts(slots)
