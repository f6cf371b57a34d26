"""Records beside the standard frozen dataclasses that they stand for."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, replace
from functools import cached_property

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.records import record


@record()
class Pool:
    """A pool with a field that is neither shown nor compared."""

    replicas: int
    name: str = "short"
    note: str = field(default="", repr=False, compare=False)

    @cached_property
    def doubled(self) -> int:
        return 2 * self.replicas


@record()
class PricedPool(Pool):
    """A pool with its price."""

    usd: float = 1.0


@record(eq=False)
class Table:
    """Compared by identity."""

    rows: int


Standard = dataclass(frozen=True)(
    type("Pool", (), {"__annotations__": {"replicas": int, "name": str}, "name": "short"})
)

pairs = st.tuples(st.integers(), st.text(max_size=3))


@given(pairs, pairs)
def test_shown_compared_and_hashed_as_standard_ones(one: tuple[int, str], two: tuple[int, str]):
    assert (Pool(*one) == Pool(*two)) == (Standard(*one) == Standard(*two))
    assert hash(Pool(*one)) == hash(Pool(*one, note="other"))
    assert repr(Pool(*one)) == repr(Standard(*one))


def test_fields_are_set_once():
    for name in ("replicas", "unknown", "doubled"):
        with pytest.raises(FrozenInstanceError, match=name):
            setattr(Pool(2), name, 3)
    with pytest.raises(FrozenInstanceError, match="replicas"):
        del Pool(2).replicas


def test_copies_and_subclasses():
    pool = PricedPool(2, usd=3.0)
    assert pool.doubled == 4
    assert pickle.loads(pickle.dumps(pool)) == copy.deepcopy(pool) == replace(pool) == pool
    assert asdict(replace(pool, replicas=5))["replicas"] == 5
    assert Pool(2) != pool


def test_some_are_compared_by_identity():
    table = Table(1)
    assert table == table
    assert table != Table(1)
    assert len({table, Table(1)}) == 2
