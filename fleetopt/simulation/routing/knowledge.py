"""What a router knows of a request's length when it arrives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fleetopt.errors import InputError
from fleetopt.simulation.fleet_model import Traffic
from fleetopt.simulation.records import Ints


@dataclass(frozen=True, slots=True)
class LengthKnowledge:
    """How a router takes the total length of a request.

    oracle: as it will be. prompt: the prompt and one token. estimate: the prompt and the
    output times a lognormal error of mean 1, whose logarithm has standard deviation sigma.
    """

    kind: Literal["oracle", "prompt", "estimate"] = "oracle"
    sigma: float = 0.0

    @classmethod
    def parse(cls, text: str) -> LengthKnowledge:
        """From "oracle", "prompt" or "estimate:SIGMA". Raises InputError for anything else."""
        kind, _, sigma = text.partition(":")
        if kind in ("oracle", "prompt") and not sigma:
            return cls(kind)  # type: ignore[arg-type]
        try:
            error = float(sigma)
        except ValueError:
            error = math.nan
        if kind != "estimate" or not 0 <= error < math.inf:
            raise InputError.single(
                "length knowledge", f"got {text!r}", "oracle, prompt or estimate:SIGMA"
            )
        return cls("estimate", error)

    def tokens(self, traffic: Traffic, longest: int, rng: np.random.Generator) -> Ints:
        """Total length of each request as the router takes it, in tokens.

        An estimate beyond the longest context window is taken to fit that window, if the
        prompt does: a router that does not know the length turns nobody away for it.
        """
        if self.kind == "oracle":
            return traffic.total_tokens
        if self.kind == "prompt":
            return traffic.prompt_tokens + 1
        errors = np.exp(rng.normal(-0.5 * self.sigma**2, self.sigma, len(traffic)))
        output = np.ceil(traffic.output_tokens * errors).astype(np.int64)
        most = np.maximum(longest, traffic.prompt_tokens + 1)
        return np.minimum(traffic.prompt_tokens + np.maximum(output, 1), most)


ORACLE = LengthKnowledge()
