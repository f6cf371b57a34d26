"""Sessions: requests of one conversation, each of which repeats what was said before it."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from fleetopt.workload.arrivals import Floats
from fleetopt.workload.lengths import Ints, LengthDistribution

_SETTLED = 5.0
"""Mean sessions after which those that are open are as many and as old as in the long run."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Which of the arriving requests continue which session.

    Neither arrivals nor lengths change by it: requests come when their process says, and over
    many sessions they have the stated lengths.

    mean_turns: requests of a session, geometric with this mean.
    pause_s: mean time from a request to the next of its session, exponential. The next one is
        the first request to arrive after that time that continues no other session.
    """

    mean_turns: float
    pause_s: float

    def settled_s(self, rate: float) -> float:
        """Time until sessions have become stationary, in seconds, from none at the start.

        The first term is the life of a session; the second, its wait for requests that are
        still free: that of a queue with load 1 - 1 / turns.
        """
        return _SETTLED * self.mean_turns * (self.pause_s + 4.0 * self.mean_turns / rate)

    def assigned(self, rng: np.random.Generator, arrival_s: Floats) -> tuple[Ints, Ints, Ints]:
        """Session and turn of each request from 0, and the turns of each session.

        arrival_s: ascending. Some turns may lie beyond the last arrival.
        """
        turns = rng.geometric(1.0 / self.mean_turns, arrival_s.size)
        left, waits_s = turns.tolist(), rng.exponential(self.pause_s, arrival_s.size).tolist()
        due: list[tuple[float, int]] = []
        session, count = [0] * arrival_s.size, 0
        for i, now in enumerate(arrival_s.tolist()):
            if due and due[0][0] <= now:
                mine = heappop(due)[1]
            else:
                mine, count = count, count + 1
            session[i] = mine
            left[mine] -= 1
            if left[mine]:
                heappush(due, (now + waits_s[i], mine))
        taken = np.array(session, dtype=np.int64)
        return taken, _turn(taken), turns[:count].astype(np.int64)

    def draw(
        self, rng: np.random.Generator, arrival_s: Floats, lengths: LengthDistribution
    ) -> tuple[Ints, Ints]:
        """Session of each request, and the support point of its lengths.

        All lengths are drawn alike; each session takes its own in the order of their prompts.
        """
        session, turn, turns = self.assigned(rng, arrival_s)
        drawn = lengths.sample(rng, int(turns.sum()))
        owner = np.repeat(np.arange(turns.size), turns)
        ascending = drawn[np.lexsort((lengths.prompt_tokens[drawn], owner))]
        return session, ascending[(np.cumsum(turns) - turns)[session] + turn]


def history_tokens(session: Ints, prompt_tokens: Ints, output_tokens: Ints) -> Ints:
    """Tokens of each prompt that repeat its session: prompt and output of the request before.

    Requests in order of time; a session of -1 is none. A shorter prompt repeats less.
    """
    order = np.argsort(session, kind="stable")
    before, after = order[:-1], order[1:]
    follows = (session[before] == session[after]) & (session[after] >= 0)
    before, after = before[follows], after[follows]
    shared = np.zeros(session.size, dtype=np.int64)
    said = prompt_tokens[before] + output_tokens[before]
    shared[after] = np.minimum(said, prompt_tokens[after])
    return shared


def _turn(session: Ints) -> Ints:
    """How many requests of its session came before each request."""
    order = np.argsort(session, kind="stable")
    starts = np.flatnonzero(np.diff(session[order], prepend=-1))
    counted = np.arange(session.size) - np.repeat(starts, np.diff(np.append(starts, session.size)))
    turn = np.empty_like(session)
    turn[order] = counted
    return turn
