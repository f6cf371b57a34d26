"""Why a fleet misses, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.plan import Interval
from fleetopt.questions.explain import Cause, Explanation, Finding
from fleetopt.report import wording

_OVERLAP = 0.1
"""By how much the removals may miss 100 % before they are said to overlap."""
_MADE = (Cause.WAIT, Cause.INTERFERENCE)
"""Parts of the time that other requests make."""
_SEVERAL, _CLUSTERED = 4, 0.5
"""Runs from which, and share of the misses in one of them from which, these are clustered."""
_NO_BREAK = wording.NO_BREAK


def answer_in_words(found: Explanation) -> str:
    """The cause and its share in a sentence or two."""
    one = found.answer
    if one.standing == "pass":
        return f"{_kept(one)} {_binds_first(found)}"
    return f"{_kept(one)} {_cause(found)}"


def where_in_words(one: Finding) -> str:
    """The pool that a finding is of, after what is said of it; nothing for the whole fleet."""
    return f" in {one.pool}" if one.pool else ""


def examined_in_words(one: Finding) -> str:
    """Which requests the removals are measured on."""
    if one.examined == "misses":
        return f"what becomes of {_these(one)}"
    return (
        f"what becomes of {_misses(one)}, beyond {wording.milliseconds(one.limit_ms)}{_NO_BREAK}ms"
    )


def won_in_words(won: Interval) -> str:
    """A share that is won back, with its interval."""
    text = wording.share(won.estimate, 1)
    if won.low is None or won.high is None:
        return text
    return f"{text}{_NO_BREAK}[{100 * won.low:.1f},{_NO_BREAK}{100 * won.high:.1f}]"


def part_lines(one: Finding) -> Iterator[str]:
    """What the time of the examined requests is made of."""
    for cause, mean in one.mean_ms.items():
        if mean > 0.0:
            lead = one.leading.get(cause, 0.0)
            yield (
                f"{cause}: {wording.milliseconds(mean)}{_NO_BREAK}ms on average, the longest part "
                f"of {wording.share(lead)} of them"
            )
    if Cause.WINDOW in one.leading:
        share = wording.share(one.leading[Cause.WINDOW])
        yield f"{share} of them do not fit the context window of their pool"
    if one.hopeless:
        share = wording.share(one.hopeless)
        yield f"{share} of them would be as late on an empty replica: more replicas cannot help"


def note_lines(found: Explanation) -> Iterator[str]:
    """What a reader should know of the answer beyond its figures."""
    yield from _overlap_notes(found.answer)
    yield from _examined_notes(found.answer, found.simulation.replications)
    scenario = found.simulation.scenario
    if scenario.too_short:
        yield f"too short: {scenario.too_short}; raise --n-req or leave it out"
    yield from scenario.notes
    if found.simulation.replications == 1:
        yield "one run: the interval is over blocks of its time, and the count itself decides"


def _overlap_notes(one: Finding) -> Iterator[str]:
    """That parts win back more, or less, than all of the misses together."""
    together = one.won_back_together
    if one.examined_count and together > 1.0 + _OVERLAP:
        yield (
            f"the parts of the time overlap: taken away one at a time they win back "
            f"{wording.share(together, 0)} in all, since either of two wins the same request back"
        )
    if one.examined_count and together < 1.0 - _OVERLAP:
        yield (
            f"taken away one at a time the parts win back {wording.share(together, 0)} in all: "
            f"the rest needs more than one removed"
        )


def _examined_notes(one: Finding, runs: int) -> Iterator[str]:
    """Which requests were examined, and what they have in common."""
    if one.examined == "slowest":
        yield (
            f"only {one.missed:,} of {one.arrivals:,} requests are beyond the bound, so the "
            f"slowest ones were examined"
        )
    if one.examined == "misses" and runs >= _SEVERAL and one.clustered > _CLUSTERED:
        yield (
            f"{wording.share(one.clustered, 0)} of the misses fall into one of the {runs} runs: "
            f"congestion is rare and long, and a single run may show any of it or none"
        )
    longest = one.removal(Cause.LONG)
    if longest is not None and (longest.won_back.estimate or 0.0) >= _OVERLAP:
        yield (
            f"{won_in_words(longest.won_back)} of those examined wait behind the longest "
            f"1{_NO_BREAK}% of the requests, or are slowed by them"
        )


def _kept(one: Finding) -> str:
    words = {
        "pass": "Keeps the SLO",
        "fail": "Misses the SLO",
        "inconclusive": "Open whether it keeps the SLO",
        "too short": "Too short to tell",
        "unstable": "Unstable",
    }[one.standing]
    limit = f"{one.bound.metric.upper()} {one.bound.limit_ms:,g}{_NO_BREAK}ms"
    wanted = f"{one.bound.percentile:g}{_NO_BREAK}% wanted"
    return (
        f"{words}{where_in_words(one)}: {wording.attainment(one.attained)} of the arrivals within "
        f"{limit}, {wanted}."
    )


def _cause(found: Explanation) -> str:
    one = found.answer
    if one.cause is None:
        return "Nothing is missed."
    text = f"The cause is {_named(one.cause, one)}"
    if one.cause is Cause.INSTABILITY:
        growth = sum(
            pool.backlog_per_s for pool in found.simulation.pools
            if pool.unstable and pool.name in (one.pool, "" if one.pool else pool.name)
        )  # fmt: skip
        text += f" (the line grows by {growth:,.3g} requests per second)"
    won = one.binding.won_back if one.binding else Interval(None, None, None)
    if won.estimate is None:
        return f"{text}."
    return f"{text}: without it {won_in_words(won)} of {_these(one)} are won back."


def _binds_first(found: Explanation) -> str:
    one = found.answer
    short = next((r for r in found.remedies if r.standing != "pass"), None)
    today = ""
    if one.cause is not None:
        today = f" Now {_now(one)} are due to {one.cause}."
    if short is None or short.cause is None:
        return today.strip() or "Nothing is near its limit."
    paged = next((r for r in found.remedies if r.standing == "pass" and r.paged), None)
    mended = "; paged KV admission would keep it" if paged else ""
    return (
        f"With {short.changed} {wording.share(short.attained.estimate, 2)} is attained, and what "
        f"binds first is {short.cause}, the longest part of "
        f"{wording.share(short.leading[short.cause], 0)} of those misses{mended}.{today}"
    )


def _now(one: Finding) -> str:
    return f"its {_misses(one)}" if one.examined == "misses" else _misses(one)


def _these(one: Finding) -> str:
    return _misses(one) if one.examined == "slowest" else f"the {_misses(one)}"


def _misses(one: Finding) -> str:
    if one.examined == "slowest":
        return f"the slowest {100 - one.bound.percentile:g}{_NO_BREAK}% of the requests"
    return f"{one.examined_count:,} misses" if one.examined_count != 1 else "1 miss"


def _named(cause: Cause, one: Finding) -> str:
    """The cause, and what it is a reason of."""
    part = max(one.leading, key=lambda leading: one.leading[leading], default=cause)
    if cause in (Cause.BURST, Cause.ADMISSION, Cause.OUTAGE) and part in _MADE:
        return f"{cause}, through {part}"
    return str(cause)
