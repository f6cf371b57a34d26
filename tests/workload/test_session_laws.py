"""Sessions change neither arrivals nor lengths; they say who repeats what."""

from __future__ import annotations

from secrets import randbits

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.catalog import read_lengths
from fleetopt.simulation.fleet_results import DrawnTraffic
from fleetopt.simulation.statistics import mean_interval
from fleetopt.workload.arrivals import Gamma, Poisson
from fleetopt.workload.lengths import LengthDistribution
from fleetopt.workload.sessions import Sessions, history_tokens

AZURE = LengthDistribution.from_cdf(read_lengths("azure")[0])
SESSIONS = Sessions(mean_turns=4.0, pause_s=10.0)
RATE = 20.0
CONFIDENCE = 1.0 - 1e-6


def drawn(sessions: Sessions | None) -> DrawnTraffic:
    return DrawnTraffic((("all", Poisson(RATE), AZURE),), sessions)


def test_arrivals_stay_as_they_are() -> None:
    """Sessions are drawn after the times, so the same seed gives the same times."""
    seed = randbits(128)
    for process in (Poisson(RATE), Gamma(RATE, 6.0)):
        plain, mine = (
            DrawnTraffic((("all", process, AZURE),), sessions).draw(
                np.random.default_rng(seed), 300.0
            )
            for sessions in (None, SESSIONS)
        )
        np.testing.assert_array_equal(plain.arrival_s, mine.arrival_s)


def test_settled_sessions_are_as_stated() -> None:
    """Of the requests after the start, 1 in `turns` begins a session, the gaps inside sessions
    are the pause and a wait for a free request, and the lengths are those of the workload.
    """
    first, last = SESSIONS.settled_s(RATE), SESSIONS.settled_s(RATE) + 1500.0
    points = [int(t) for t in np.quantile(AZURE.total_tokens, [0.02, 0.1, 0.3, 0.6])]
    begun, gaps, shares = [], [], []
    rng = np.random.default_rng()
    for _ in range(24):
        times = Poisson(RATE).times(rng, last)
        session, turn, turns = SESSIONS.assigned(rng, times)
        seen = times >= first
        begun.append(float(np.mean(turn[seen] == 0)))
        order = np.lexsort((times, session))
        same = np.diff(session[order]) == 0
        gaps.append(float(np.mean(np.diff(times[order])[same & seen[order][1:]])))
        assert (turn < turns[session]).all()
        requests = drawn(SESSIONS).draw(rng, last)
        total = requests.total_tokens[requests.arrival_s >= first]
        shares.append([float(np.mean(total <= t)) for t in points])
    new = mean_interval(begun, CONFIDENCE)
    assert new.low <= 1 / SESSIONS.mean_turns <= new.high
    # The wait for a free request is short of that of a queue of this load and rate.
    assert SESSIONS.pause_s < np.mean(gaps) < SESSIONS.pause_s + 4 * SESSIONS.mean_turns / RATE
    for t, column in zip(points, zip(*shares, strict=True), strict=True):
        share = mean_interval(column, CONFIDENCE)
        assert share.low <= AZURE.share(0, t) <= share.high


def test_prompts_ascend_in_a_session_and_repeat_it() -> None:
    requests = drawn(SESSIONS).draw(np.random.default_rng(), 200.0)
    assert requests.prefix is not None
    assert requests.prefix_tokens is not None
    last: dict[int, tuple[int, int]] = {}
    for s, prompt, output, shared in zip(
        requests.prefix.tolist(),
        requests.prompt_tokens.tolist(),
        requests.output_tokens.tolist(),
        requests.prefix_tokens.tolist(),
        strict=True,
    ):
        before, said = last.get(s, (0, 0))
        assert prompt >= before
        assert shared == min(said, prompt)
        last[s] = prompt, prompt + output
    assert len(last) < len(requests)


def test_models_have_sessions_of_their_own() -> None:
    streams = (("a", Poisson(RATE), AZURE), ("b", Poisson(RATE), AZURE))
    requests = DrawnTraffic(streams, SESSIONS).draw(np.random.default_rng(), 100.0)
    assert requests.prefix is not None
    assert requests.model is not None
    assert not requests.faults()
    a, b = (set(requests.prefix[requests.model == code].tolist()) for code in (0, 1))
    assert a
    assert b
    assert not a & b


def test_one_turn_shares_nothing() -> None:
    requests = drawn(Sessions(1.0, 10.0)).draw(np.random.default_rng(), 100.0)
    assert requests.prefix_tokens is not None
    assert not requests.prefix_tokens.any()


@given(
    st.lists(
        st.tuples(st.integers(-1, 4), st.integers(1, 50), st.integers(1, 50)),
        min_size=1,
        max_size=40,
    )
)
def test_history_is_that_of_the_plain_way(requests: list[tuple[int, int, int]]) -> None:
    said: dict[int, int] = {}
    plain = []
    for session, prompt, output in requests:
        plain.append(min(said.get(session, 0), prompt))
        if session >= 0:
            said[session] = prompt + output
    columns = (np.array(column) for column in zip(*requests, strict=True))
    assert history_tokens(*columns).tolist() == plain


def test_sessions_of_bursts_settle_too() -> None:
    """The stated number of requests a session does not depend on the arrivals."""
    rng = np.random.default_rng()
    times = Gamma(RATE, 8.0).times(rng, 4000.0)
    session, _, _ = SESSIONS.assigned(rng, times)
    seen = times >= SESSIONS.settled_s(RATE)
    assert seen.sum() / np.unique(session[seen]).size == pytest.approx(4.0, rel=0.05)
