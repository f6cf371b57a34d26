"""How many experts a batch touches, by enumerating every choice."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.performance.roofline.experts import touched_experts


@pytest.mark.parametrize(
    ("experts", "per_token", "tokens"), [(4, 1, 3), (4, 2, 3), (5, 3, 2), (6, 2, 2), (3, 1, 5)]
)
def test_mean_of_the_union_over_every_choice(experts: int, per_token: int, tokens: int) -> None:
    choices = list(combinations(range(experts), per_token))
    sizes = [len(set().union(*batch)) for batch in product(choices, repeat=tokens)]
    expected = sum(sizes) / len(sizes)
    assert touched_experts(experts, per_token, tokens) == pytest.approx(expected)


@given(st.integers(1, 256), st.data(), st.integers(1, 4096))
def test_at_least_one_tokens_experts_and_at_most_all(
    experts: int, data: st.DataObject, tokens: int
) -> None:
    per_token = data.draw(st.integers(1, experts))
    touched = touched_experts(experts, per_token, tokens)
    assert per_token * (1 - 1e-12) <= touched <= min(experts, per_token * tokens) * (1 + 1e-12)
