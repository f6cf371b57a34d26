"""Pools that a program need not see: another way to serve the same arc uses no more of anything.

What is compared is all that the objective and the limits of the program count. A way is a row
of a pool, or a row that prefills with one that decodes behind the same link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fleetopt.optimization.candidates import Candidate, Row, with_just

Weights = Callable[[Candidate, Row], tuple[float, ...]]
"""What a row has of everything that counts."""
_Pool = tuple[Candidate, Row]
_Way = tuple[tuple[float, ...], tuple[_Pool, ...]]


def undominated(candidates: Sequence[Candidate], weights: Weights) -> list[Candidate]:
    """The candidates with the rows of ways that no other dominates; of equal ways the cheapest."""
    kept: dict[int, set[Row]] = {}
    for same in _by(candidates, lambda c: (c.start, c.end)).values():
        for _, pools in _least(list(_ways(same, weights))):
            for candidate, row in pools:
                kept.setdefault(candidate.index, set()).add(row)
    return [
        with_just(c, tuple(row for row in c.rows if row in kept[c.index]))
        for c in candidates
        if c.index in kept
    ]


def _ways(candidates: Sequence[Candidate], weights: Weights) -> Iterator[_Way]:
    """Every way to serve an arc; of the rows that a link joins those that count."""
    for (_, phase), same in (kinds := _by(candidates, lambda c: (c.link, c.phase))).items():
        if phase is None:
            yield from _rows(same, weights)
    for link in dict.fromkeys(c.link for c in candidates if c.phase is not None):
        ends = [_least(_rows(kinds.get((link, p), []), weights)) for p in ("prefill", "decode")]
        for one, pools in ends[0]:
            for other, partners in ends[1]:
                yield tuple(map(sum, zip(one, other, strict=True))), (*pools, *partners)


def _rows(candidates: Sequence[Candidate], weights: Weights) -> list[_Way]:
    return [(weights(c, row), ((c, row),)) for c in candidates for row in c.rows]


def _least(ways: Sequence[_Way]) -> list[_Way]:
    """Those of which no other has as little of everything."""
    kept: list[_Way] = []
    for way in sorted(ways, key=lambda way: (way[0], _cost(way))):
        if not any(all(a <= b for a, b in zip(less, way[0], strict=True)) for less, _ in kept):
            kept.append(way)
    return kept


def _cost(way: _Way) -> float:
    return sum(candidate.cost(row) for candidate, row in way[1])


def _by(
    candidates: Sequence[Candidate], key: Callable[[Candidate], tuple[object, ...]]
) -> dict[tuple[object, ...], list[Candidate]]:
    groups: dict[tuple[object, ...], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(key(candidate), []).append(candidate)
    return groups
