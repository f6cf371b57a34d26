"""The sequences of a replica that decode: a heap of the iterations at which they end.

An entry holds the iteration, and the request in its lowest bits.
"""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.kernel import heaps
from fleetopt.simulation.kernel.compiling import compiled

_REQUEST_BITS = 31
_REQUEST_MASK = 2**_REQUEST_BITS - 1


@compiled
def end_of_entry(entry: int) -> int:
    """The iteration before which a sequence has left."""
    return entry >> _REQUEST_BITS


@compiled
def request_of_entry(entry: int) -> int:
    """The request of an entry."""
    return entry & _REQUEST_MASK


@compiled
def add_decode(heap: Any, replica: Any, q: int, end: int) -> None:
    """Request q decodes until iteration number `end`."""
    heaps.push(heap, replica.heap, replica.decoding, (end << _REQUEST_BITS) | q)
    replica.decoding += 1


@compiled
def first_end(heap: Any, replica: Any) -> int:
    """The iteration at which the next sequence has ended; there must be one."""
    end: int = heap[replica.heap] >> _REQUEST_BITS
    return end


@compiled
def take_first(heap: Any, replica: Any) -> int:
    """Remove the sequence that ends first; its request."""
    q: int = heap[replica.heap] & _REQUEST_MASK
    heaps.pop(heap, replica.heap, replica.decoding)
    replica.decoding -= 1
    return q
