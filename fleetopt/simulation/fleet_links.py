"""Links that carry KV from replicas that prefill to pools that decode: records and state.

A link is one line, or one line for each replica of its source. A line sends the KV of one
request after the other, in the order in which their prefills end, and each takes

    latency_s + prompt tokens * per_token_s   seconds

of the line. If KV is sent in layers while the prompt is prefilled, that begins with the prefill or
when the line has sent what came before; the last layer follows the prefill, so KV lands at

    max(first in line + latency_s + prompt tokens * per_token_s / layers, begun + transfer).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from fleetopt.simulation.records import Floats


class Role(IntEnum):
    """What the replicas of a pool do: both phases, prefill alone, or decode alone."""

    MIXED = 0
    PREFILL = 1
    DECODE = 2


class Link(NamedTuple):
    """From a pool that prefills to one that decodes, as plain numbers.

    source, target: indices of pools; the source's role is PREFILL, the target's is not.
    per_token_s: seconds for the KV of one prompt token. latency_s: seconds of each transfer.
    by_replica: 1 if each replica of the source has a line of its own, 0 if all share one.
    layers: parts in which KV is sent as prefill goes on; 1 sends it all after the prefill.
    """

    source: int
    target: int
    per_token_s: float
    latency_s: float = 0.0
    by_replica: int = 0
    layers: int = 1


_LINK = np.dtype(
    [
        ("source", "i8"),
        ("target", "i8"),
        ("first", "i8"),  # its lines are first .. last - 1
        ("last", "i8"),
        ("by_replica", "i8"),
        ("layers", "i8"),
        ("per_token_s", "f8"),
        ("latency_s", "f8"),
    ]
)
_LINE = np.dtype(
    [
        ("link", "i8"),
        ("head", "i8"),  # requests whose KV is sent, or waits for that
        ("tail", "i8"),
        ("waiting", "i8"),  # how many these are
        ("begun_s", "f8"),  # when the head's transfer began
        ("free_s", "f8"),  # when the line has sent it; it may land later, with its last layer
        ("busy_s", "f8"),
        ("transfers", "i8"),
        ("sent_tokens", "i8"),
        ("lost_tokens", "i8"),
    ]
)
LINE_TOTALS = ("busy_s", "transfers", "sent_tokens", "lost_tokens")
_HANDOVER = np.dtype(
    [
        ("landed_s", "f8"),
        ("begun_s", "f8"),  # when its prefill began
        ("next", "i4"),  # link of the line that it stands in
        ("entered", "i4"),  # pool that took it when it came to the fleet
        ("handovers", "i4"),
        ("has_kv", "i4"),  # whether its KV has come with it and not been lost since
    ]
)


class LinkState(NamedTuple):
    """Links, their lines, the tournament tree of the lines' next ends, and requests on the way.

    handovers: empty for a fleet without links.
    """

    links: Any
    lines: Any
    line_times: Floats
    handovers: Any


def new_links(links: Sequence[Link], replicas: Sequence[int], requests: int) -> LinkState:
    """Idle lines. replicas: of each pool."""
    sizes = [replicas[link.source] if link.by_replica else 1 for link in links]
    records = np.zeros(len(links), dtype=_LINK)
    ends = np.cumsum(sizes, dtype=np.int64)
    records["first"], records["last"] = ends - np.array(sizes, dtype=np.int64), ends
    for name in Link._fields:
        records[name] = [getattr(link, name) for link in links]
    lines = np.zeros(sum(sizes), dtype=_LINE)
    lines["link"] = np.repeat(np.arange(len(links)), sizes)
    lines["head"] = lines["tail"] = -1
    handovers = np.zeros(requests if links else 0, dtype=_HANDOVER)
    handovers["landed_s"] = handovers["begun_s"] = np.nan
    handovers["entered"] = handovers["next"] = -1
    leaves = 2 ** max(0, math.ceil(math.log2(max(1, lines.size))))
    return LinkState(records, lines, np.full(2 * leaves, math.inf), handovers)
