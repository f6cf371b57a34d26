"""Conversations: requests that repeat what was said before them."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from fleetopt.problem.faults import Stated
from fleetopt.problem.times import seconds_of


class SessionStatement(Stated):
    """Sessions of drawn traffic; as a text, mean turns and pause: '5:30s'."""

    turns: float = Field(ge=1, le=10_000)
    """Mean requests of a session; the number is geometric."""
    pause_s: float = Field(gt=0)
    """Mean time from one request of a session to its next, in seconds; exponential."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, stated: Any) -> Any:
        if not isinstance(stated, str):
            return stated
        turns, _, pause = stated.partition(":")
        try:
            return {"turns": float(turns), "pause_s": seconds_of(pause)}
        except ValueError:
            wanted = "expected mean turns and the pause between two, such as 5:30s"
            raise ValueError(f"{wanted}, got {stated!r:.60}") from None
