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
    busy_s: float = 0.0
    transfers: int = 0
    sent_tokens: int = 0
    lost_tokens: int = 0

    @property
    def end_s(self) -> float:
        """When the transfer ends that goes on."""
        if not self.requests:
            return math.inf
        tokens = self.requests[0].prompt_tokens
        return self.begun_s + (self.link.latency_s + tokens * self.link.per_token_s)

    def append(self, request: Request, now: float) -> None:
        """A request joins the line; it is sent at once if the line is idle."""
        if not self.requests:
            self.begun_s = now
        self.requests.append(request)

    def take_landed(self, now: float, window: Window) -> Request:
        """The transfer of the first ends, and that of the next begins."""
        self.book(now, window)
        request = self.requests.pop(0)
        self.transfers += 1
        self.sent_tokens += request.prompt_tokens
        self.begun_s = now
        return request

    def cut_off(self, gone: list[Request], now: float, window: Window) -> None:
        """Requests leave whose KV is lost before it was sent."""
        if self.requests and self.requests[0] in gone:
            self.book(now, window)
            self.begun_s = now
        self.lost_tokens += sum(s.prompt_tokens for s in self.requests if s in gone)
        self.requests = [s for s in self.requests if s not in gone]

    def book(self, now: float, window: Window) -> None:
        """Account for the time of the transfer that goes on."""
        if self.requests:
            seconds = min(now, window.measure_end_s) - max(self.begun_s, window.warmup_s)
            self.busy_s += max(0.0, seconds)


def lines_of(links: tuple[Link, ...], replicas: list[int]) -> list[Line]:
    """The lines of all links. replicas: of each pool."""
    return [
        Line(link, replica)
        for link in links
        for replica in (range(replicas[link.source]) if link.by_replica else (None,))
    ]
