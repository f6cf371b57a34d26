"""Binary heaps, least entry first, that begin at `base` of an array."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.kernel.compiling import compiled


@compiled
def push(heap: Any, base: int, size: int, entry: Any) -> None:
    """Push an entry onto the heap of `size` entries."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap[base + parent] <= entry:
            break
        heap[base + i] = heap[base + parent]
        i = parent
    heap[base + i] = entry


@compiled
def pop(heap: Any, base: int, size: int) -> None:
    """Remove the least entry: sink the hole to a leaf, then let the last entry rise in it."""
    last = size - 1
    entry = heap[base + last]
    i = 0
    child = 1
    while child < last:
        if child + 1 < last:
            child += heap[base + child + 1] < heap[base + child]
        heap[base + i] = heap[base + child]
        i = child
        child = 2 * i + 1
    push(heap, base, i, entry)


@compiled
def remove(heap: Any, base: int, size: int, place: int) -> None:
    """Remove the entry at a place."""
    last = size - 1
    entry = heap[base + last]
    if place == last:
        return
    child = 2 * place + 1
    while child < last:
        if child + 1 < last and heap[base + child + 1] < heap[base + child]:
            child += 1
        if heap[base + child] >= entry:
            break
        heap[base + place] = heap[base + child]
        place = child
        child = 2 * place + 1
    push(heap, base, place, entry)
