"""The start of a re-solve: permitted by every cut, and cheap."""

from __future__ import annotations

from small_fleet import CANDIDATES

from fleetopt.optimization.cuts import Cut, warm_start

BY_INDEX = {c.index: c for c in CANDIDATES}
BEST = frozenset({(0, 0), (2, 0)})


def test_no_known_fleet_no_start() -> None:
    """The first solve starts from nothing."""
    assert warm_start([], [], BY_INDEX) is None


def test_known_fleet_is_the_start_while_it_is_permitted() -> None:
    """Without cuts the best known fleet starts."""
    assert warm_start([frozenset({(3, 0)}), BEST], [], BY_INDEX) == BEST


def test_refused_row_grows() -> None:
    """The pool takes its next row; a refusal of all its rows leaves no start."""
    refused = Cut(frozenset({(0, 0)}), 0, None)
    assert warm_start([BEST], [refused], BY_INDEX) == frozenset({(0, 1), (2, 0)})
    assert warm_start([BEST], [refused, Cut(frozenset({(0, 1)}), 0, None)], BY_INDEX) is None


def test_excluded_fleet_grows_where_it_is_cheapest() -> None:
    """One more a (1 USD/h) rather than one more b (3 USD/h)."""
    excluded = Cut(BEST, 1, None)
    assert warm_start([BEST], [excluded], BY_INDEX) == frozenset({(0, 1), (2, 0)})
