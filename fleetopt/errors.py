"""The few kinds of errors a user can meet, and how wrong input is described."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the input: where, what was expected, and a way out."""

    place: str
    expected: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{self.place}: {self.expected}{hint}"


class FleetoptError(Exception):
    """Any error that fleetopt raises on purpose."""


class InputError(FleetoptError):
    """What the user gave is wrong; carries every fault found, not the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def single(cls, place: str, expected: str, suggestion: str = "") -> InputError:
        """An error with one fault."""
        return cls([Fault(place, expected, suggestion)])


class ExtensionError(InputError):
    """A user's Python file failed; `trace` says where, as Python would."""

    def __init__(self, fault: Fault, trace: str) -> None:
        self.trace = trace
        super().__init__([fault])


class InfeasibleError(FleetoptError):
    """No fleet meets the problem as stated; the message says what binds."""


class StoppedError(FleetoptError):
    """The solver reached a limit before it held a fleet; whether there is one is open.

    termination: "time_limit" or "node_limit"; bound: on the objective, -inf if there is none.
    """

    def __init__(self, message: str, termination: str, bound: float) -> None:
        self.termination = termination
        self.bound = bound
        super().__init__(message)


class SolverError(FleetoptError):
    """The solver ended without a usable answer for a reason of its own."""


def near(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known name, or lists what is known."""
    from difflib import get_close_matches

    names = sorted(set(known))
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(names) if names else ""
