"""The search for the least admissible number of replicas, which may stop after any row."""

from __future__ import annotations

import math
from collections.abc import Callable

MOST_REPLICAS = 2**40


class LeastReplicas:
    """Galloping and bisection, a number of replicas at a time.

    is_admissible: whether n replicas keep every limit, as more of them then do.
    start: no fewer are admissible; infinite where no number is.
    """

    def __init__(self, is_admissible: Callable[[int], bool], start: float) -> None:
        self._is_admissible = is_admissible
        self._most_refused = start - 1
        self._least_admitted = math.inf
        self._step = 1

    @property
    def at_least(self) -> float:
        """No fewer replicas are admissible; infinite where no number is."""
        return self._most_refused + 1

    @property
    def is_over(self) -> bool:
        """Whether the least number is known, or that there is none."""
        return math.isinf(self.at_least) or self._least_admitted == self.at_least

    @property
    def candidate(self) -> int:
        """The number of replicas that is tried next."""
        refused = int(self._most_refused)
        if math.isfinite(self._least_admitted):
            return (refused + int(self._least_admitted)) // 2
        return refused + self._step

    def look(self) -> None:
        """Try one more number of replicas."""
        replicas = self.candidate
        if math.isinf(self._least_admitted):
            self._step *= 2
        if replicas > MOST_REPLICAS:
            self._most_refused = math.inf
        elif self._is_admissible(replicas):
            self._least_admitted = replicas
        else:
            self._most_refused = replicas

    def found(self) -> int | None:
        """The least number, looked for to the end; None if there is none."""
        while not self.is_over:
            self.look()
        return None if math.isinf(self.at_least) else int(self.at_least)
