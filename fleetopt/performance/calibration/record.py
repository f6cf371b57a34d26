"""How far calibrated rooflines are off, and what the measurements behind them span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Span = tuple[float, float]
QUANTITIES = {
    "clients": "sequences in a replica",
    "prompt_tokens": "prompt tokens",
    "tp": "tensor parallelism",
}
"""What a design may go beyond, in words."""

FEWEST = 20
"""Rows of a regime from which on its errors are told."""


@dataclass(frozen=True, slots=True)
class Error:
    """Median absolute relative errors of n rows that the constants were not fitted to."""

    n: int
    tpot: float
    ttft: float


@dataclass(frozen=True, eq=False)
class Record:
    """Errors with each group left out, and spans of the measurements.

    errors: of unsaturated rows by kind of model, and by regimes whose names begin with it.
    spans: by engine, the least and the largest measured of each of QUANTITIES.
    """

    errors: Mapping[str, Error]
    spans: Mapping[str, Mapping[str, Span]]

    def expected(self, kind: str) -> str:
        """The errors to expect for a kind of model ('dense', 'moe'), in words; '' if unknown."""
        if kind not in self.errors:
            return ""
        whole = self.errors[kind]
        loads = [
            error
            for name, error in self.errors.items()
            if name.startswith(f"{kind} ") and error.n >= FEWEST
        ]
        said = f"TPOT is off by {whole.tpot:.0%} and TTFT by {whole.ttft:.0%} at the median"
        if len(loads) > 1:
            spans = [
                f"{min(values):.0%} to {max(values):.0%}"
                for values in ([e.tpot for e in loads], [e.ttft for e in loads])
            ]
            said += f" ({spans[0]} and {spans[1]} by load)"
        what = "models with experts" if kind == "moe" else "dense models"
        return f"{said} for {what} that they were not fitted to".replace("%", " %")

    def beyond(self, engine: str, **design: float) -> list[str]:
        """How far a design lies outside of what was measured: a text for each such value.

        engine: as measured, or any other name for all of them. design: some of QUANTITIES.
        """
        told = []
        for key, value in design.items():
            low, high = self.span(engine, key)
            if not low <= value <= high:
                factor = value / high if value > high else low / value
                told.append(
                    f"{QUANTITIES[key]}: {value:,.4g} is {factor:.1f} times outside of the "
                    f"measured {low:,g} to {high:,g}"
                )
        return told

    def span(self, engine: str, quantity: str) -> Span:
        """Least and largest measured value with an engine."""
        known = [self.spans[engine]] if engine in self.spans else list(self.spans.values())
        lows, highs = zip(*(each[quantity] for each in known), strict=True)
        return min(lows), max(highs)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, which stands beside the constants."""
        return {
            "errors": {
                name: {"n": e.n, "tpot": round(e.tpot, 4), "ttft": round(e.ttft, 4)}
                for name, e in self.errors.items()
            },
            "measured": {
                engine: {key: list(span) for key, span in spans.items()}
                for engine, spans in self.spans.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """A record that `to_dict` wrote."""
        return cls(
            {name: Error(**entry) for name, entry in data["errors"].items()},
            {
                engine: {key: (low, high) for key, (low, high) in spans.items()}
                for engine, spans in data["measured"].items()
            },
        )
