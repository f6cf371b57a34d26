"""The published rules in words, each with how it is read."""

from __future__ import annotations

from fleetopt.questions.advice import RULES


def table() -> str:
    """One row for each rule."""
    head = ["| rule | what it says | how it is read |", "| --- | --- | --- |"]
    return "\n".join([*head, *(f"| {n} | {r.says} | {r.reading} |" for n, r in RULES.items())])
