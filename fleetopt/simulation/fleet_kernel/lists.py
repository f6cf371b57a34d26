"""Lists of requests in order of arrival, linked by their records."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.kernel.compiling import compiled


@compiled
def insert(requests: Any, head: int, tail: int, q: int) -> tuple[int, int]:
    """Put request q into a list; its head and tail then. An empty list's head is -1."""
    before = -1
    after = head
    if head >= 0 and q > tail:
        before, after = tail, -1
    while after >= 0 and after < q:
        before, after = after, requests[after].next
    requests[q].next = after
    if before >= 0:
        requests[before].next = q
    return head if before >= 0 else q, tail if after >= 0 else q


@compiled
def remove(requests: Any, head: int, tail: int, q: int) -> tuple[int, int]:
    """Take request q out of a list; its head and tail then."""
    before = -1
    at = head
    while at != q:
        before, at = at, requests[at].next
    after = requests[q].next
    if before >= 0:
        requests[before].next = after
    return head if before >= 0 else after, tail if after >= 0 else before
