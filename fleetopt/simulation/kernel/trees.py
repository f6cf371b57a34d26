"""Tournament trees whose inner nodes hold the least of their children.

Many trees may stand in one array: a tree begins at `base`, and its leaves at base + leaves.
"""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.kernel.compiling import compiled


@compiled
def set_leaf(tree: Any, base: int, leaves: int, leaf: int, value: Any) -> None:
    """Set a leaf."""
    node = leaves + leaf
    tree[base + node] = value
    node //= 2
    while node >= 1:
        least = min(tree[base + 2 * node], tree[base + 2 * node + 1])
        if tree[base + node] == least:
            break
        tree[base + node] = least
        node //= 2


@compiled
def least_leaf(tree: Any, base: int, leaves: int) -> int:
    """Lowest index among the leaves with the least value."""
    node = 1
    while node < leaves:
        node *= 2
        node += tree[base + node] > tree[base + node + 1]
    return node - leaves
