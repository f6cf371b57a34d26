"""The calibrated constants behind a roofline: every step takes what its causes were found to."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fleetopt.performance.calibration.outside import AT_ONCE, FirstToken
from fleetopt.performance.calibration.seconds import CAUSES, FREE, Floats, units_of
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.roofline import Efficiency, Load, Step
from fleetopt.performance.roofline.roofs import waiting

_NOMINAL = {field.name: getattr(FREE, field.name) for field in fields(FREE)}


@dataclass(frozen=True, slots=True)
class Calibrated(Efficiency):
    """Seconds of one unit of each cause, in the place of shares of the peaks.

    The inherited shares say which roof binds a step, as in the fit of the seconds.
    """

    seconds: tuple[float, ...] = ()
    first_token: FirstToken = AT_ONCE

    @classmethod
    def by(cls, seconds: Floats, source: str, first_token: FirstToken = AT_ONCE) -> Calibrated:
        """Constants with these seconds of each of CAUSES, and of a first token."""
        known = {**_NOMINAL, "source": source}
        return cls(**known, seconds=tuple(seconds.tolist()), first_token=first_token)

    def refined(self, found: list[Step], deployment: Deployment, load: Load) -> list[Step]:
        """The steps with calibrated seconds, and what sequences and prompts take beside them.

        A prompt token attends to half of its prompt, which tells how many prompts there are.
        """
        each = dict(zip(CAUSES, self.seconds, strict=True))
        told = [
            step._replace(
                seconds=sum(
                    each[cause] * amount for cause, amount in units_of(step, deployment).items()
                )
            )
            for step in found
        ]
        if load.sequences:
            told.append(waiting("sequences", load.sequences, each["sequences"], "host"))
        if load.prefill_tokens and load.attended_tokens:
            prompts = load.prefill_tokens / (2.0 * load.attended_tokens)
            told.append(waiting("prompts", prompts, each["prompts"], "host"))
        return told

    def first_token_s(self, iteration_s: float, prompt_tokens: float) -> float:
        """Seconds outside of the engine, and iterations that pass before it takes a prompt."""
        return self.first_token.beyond_s(iteration_s, prompt_tokens)
