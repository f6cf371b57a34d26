"""The lightest fleet without side constraints: a path of pools, and of pairs that a link joins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from fleetopt.optimization.candidates import Candidate
from fleetopt.problem import Phase

Arc = tuple[int, int]
"""Positions of its ends."""
Weighed = tuple[float, tuple[Candidate, ...]]
"""Candidates and the sum of their weights; infinite without any."""
_NOTHING: Weighed = (math.inf, ())


def lightest_pools(weighed: Iterable[tuple[float, Candidate]]) -> Weighed:
    """The lightest pool of an arc, or the lightest two that a link joins, if these weigh less."""
    least: dict[tuple[str, Phase | None], tuple[float, Candidate]] = {}
    for more, candidate in weighed:
        kind = (candidate.link, candidate.phase)
        if kind not in least or more < least[kind][0]:
            least[kind] = more, candidate
    lightest = _NOTHING
    for (link, phase), (more, candidate) in least.items():
        pools: tuple[Candidate, ...] = (candidate,)
        if phase is not None:
            partner = least.get((link, "decode"))
            if phase == "decode" or partner is None:
                continue
            more, pools = more + partner[0], (candidate, partner[1])
        if more < lightest[0]:
            lightest = more, pools
    return lightest


def lightest_path(arcs: Mapping[Arc, Weighed], last: int, max_arcs: int) -> Weighed:
    """The path of least weight from 0 to `last` with at most so many arcs, step by step."""
    reached: dict[int, Weighed] = {0: (0.0, ())}
    lightest = _NOTHING
    for _ in range(max_arcs):
        step: dict[int, Weighed] = {}
        for (start, end), (more, pools) in arcs.items():
            if start in reached:
                so_far, path = reached[start]
                if so_far + more < step.get(end, _NOTHING)[0]:
                    step[end] = so_far + more, (*path, *pools)
        reached = step
        lightest = min(lightest, reached.get(last, _NOTHING), key=lambda found: found[0])
    return lightest
