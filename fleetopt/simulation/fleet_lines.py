"""Lines that carry KV in the fleet's plain twin."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fleetopt.simulation.fleet_links import Link
from fleetopt.simulation.fleet_replica import Request
from fleetopt.simulation.records import Window


@dataclass(eq=False)
class Line:
    """Requests whose KV is sent, the first of them now; the others wait for that.

    replica: the one whose KV it carries, by its place in its pool; None for all of them.
    """

    link: Link
    replica: int | None
    requests: list[Request] = field(default_factory=list)
    begun_s: float = 0.0
    free_s: float = 0.0
    end_s: float = math.inf
    busy_s: float = 0.0
    transfers: int = 0
    sent_tokens: int = 0
    lost_tokens: int = 0

    def begin(self, now: float) -> None:
        """Send the first; with layers, that has begun in its prefill."""
        if not self.requests:
            self.end_s = math.inf
            return
        link, first = self.link, self.requests[0]
        sent_s = first.prompt_tokens * link.per_token_s
        self.begun_s = max(first.begun_s, self.free_s) if link.layers > 1 else now
        self.free_s = self.begun_s + (link.latency_s + sent_s)
        self.end_s = max(now + (link.latency_s + sent_s / link.layers), self.free_s)

    def append(self, request: Request, now: float) -> None:
        """A request joins the line; it is sent at once if the line is idle."""
        self.requests.append(request)
        if len(self.requests) == 1:
            self.begin(now)

    def take_landed(self, now: float, window: Window) -> Request:
        """The transfer of the first ends, and that of the next begins."""
        self.book(now, window)
        request = self.requests.pop(0)
        self.transfers += 1
        self.sent_tokens += request.prompt_tokens
        self.begin(now)
        return request

    def cut_off(self, gone: list[Request], now: float, window: Window) -> None:
        """Requests leave whose KV is lost before it was sent."""
        is_sending = bool(self.requests) and self.requests[0] in gone
        if is_sending:
            self.book(now, window)
            self.free_s = min(self.free_s, now)
        self.lost_tokens += sum(s.prompt_tokens for s in self.requests if s in gone)
        self.requests = [s for s in self.requests if s not in gone]
        if is_sending:
            self.begin(now)

    def book(self, now: float, window: Window) -> None:
        """Account for the time of the transfer that goes on."""
        if self.requests:
            until_s = min(now, self.free_s, window.measure_end_s)
            seconds = until_s - max(self.begun_s, window.warmup_s)
            self.busy_s += max(0.0, seconds)


def lines_of(links: tuple[Link, ...], replicas: list[int]) -> list[Line]:
    """The lines of all links. replicas: of each pool."""
    return [
        Line(link, replica)
        for link in links
        for replica in (range(replicas[link.source]) if link.by_replica else (None,))
    ]
