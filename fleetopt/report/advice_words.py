"""Advice in sentences: one for each question, with both sides and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleetopt.questions.advice import Advice, Answer, Ruling, Side
from fleetopt.report import wording

TITLES: Mapping[str, str] = {
    "split": "Split?",
    "where": "Where?",
    "gpu": "Which GPU?",
    "mix": "Mix GPU types?",
    "long_context": "Which GPU for long contexts?",
    "disaggregate": "Prefill and decode apart?",
    "simulate": "Simulate?",
    "margin": "Margin?",
}
OUTCOMES: Mapping[str, str] = {
    "right": "right here",
    "overstated": "overstated here",
    "wrong": "wrong here",
    "silent": "says nothing here",
}


def sentence(advice: Advice, answer: Answer) -> str:
    """The answer in one sentence, two where both sides need one."""
    return _SENTENCES[answer.question](advice, answer)


def certainty(answer: Answer) -> str:
    """How sure it is."""
    if answer.certainty == "count":
        return "Counted by mean rates, which favour phases apart; no simulation."
    if answer.certainty == "table":
        return "By the tables; not all of it simulated."
    if answer.question == "margin":
        return "Simulated: growth and bursts. Spare replicas by the rule of probability."
    sides = [side for side in (answer.chosen, answer.other) if side is not None and side.said]
    new = [side for side in sides if side.label != "the plan" or answer.question == "split"]
    said = "; ".join(map(_simulated, new)) if answer.question != "simulate" else ""
    return f"Simulated: {said}." if said else "Simulated, as said."


def ruling(advice: Advice, said: Ruling) -> str:
    """What a rule says here, whether it is right, and what following it buys."""
    advises = f" says: {said.advises}" if said.advises else ""
    text = f"Rule “{said.rule}”{advises}. {OUTCOMES[said.outcome].capitalize()}: {said.why}."
    return text if said.followed is None else f"{text} {followed(advice, said)}."


def followed(advice: Advice, said: Ruling) -> str:
    """What following a rule buys, against the plan, or against the pool that it is about."""
    side = said.followed
    assert side is not None
    fleet = wording.fleet(side.fleet) if side.fleet else side.label
    if said.rule == "n / A":
        return f"Followed, it buys {fleet}: {_cost(side)}"
    if said.rule == "H100 for long contexts":
        best = advice.answer("long_context").chosen
        return f"Followed, the last pool is {_pool(side)}: {_cost(side)}{_more(side, best)}"
    if side.fleet is None and side.why:
        return f"Followed, it finds no fleet: {side.why}"
    missed = "; the simulator refuses it" if side.is_refused else ""
    return f"Followed, it buys {fleet}: {_cost(side)}{_more(side, advice.plan)}{missed}"


def _split(_: Advice, answer: Answer) -> str:
    is_split = bool(answer.chosen.thresholds)
    start = "Yes: " if is_split else "No: "
    return start + _against(answer.chosen, answer.other, "one pool" if is_split else "a split")


def _where(advice: Advice, answer: Answer) -> str:
    if not answer.chosen.thresholds:
        return "Nowhere: one pool is the cheapest."
    at = " and ".join(f"{t:,}" for t in answer.chosen.thresholds)
    splits = answer.figures["splits"]
    text = f"At {at} tokens, {_cost(answer.chosen)}"
    if answer.other is not None and answer.other.fleet is not None:
        same = answer.other.thresholds == answer.chosen.thresholds
        if not same:
            text += f"; two pools at {advice.traits.threshold:,} cost {_cost(answer.other)}"
            text += _more(answer.other, answer.chosen)
    if splits:
        best, worst = min(splits, key=lambda s: s[1]), max(splits, key=lambda s: s[1])
        text += (
            f"; over all points two pools cost {wording.money(best[1])} (at {best[0]:,}) to "
            f"{wording.money(worst[1])} (at {worst[0]:,}), by the table"
        )
    return text + "."


def _gpu(_: Advice, answer: Answer) -> str:
    names = " and ".join(answer.chosen.types)
    if answer.chosen.fleet is None:
        return "No single GPU type keeps the SLO."
    others = [
        f"{side.label.removeprefix('all ')} alone {_cost(side)}{_more(side, answer.chosen)}"
        if side.fleet
        else f"{side.label.removeprefix('all ')} alone cannot"
        for side in answer.sides
        if side is not answer.chosen
    ]
    start = f"If there is to be one type, {names}: {wording.fleet(answer.chosen.fleet)}"
    refused = ", which the simulator refuses" if answer.chosen.is_refused else ""
    return "; ".join([f"{start}, {_cost(answer.chosen)}{refused}", *others]) + "."


def _mix(_: Advice, answer: Answer) -> str:
    is_mixed = len(answer.chosen.types) > 1
    start = "Yes: " if is_mixed else "No: "
    return start + _against(answer.chosen, answer.other, "one type" if is_mixed else "a mix")


def _long(_: Advice, answer: Answer) -> str:
    lo, hi = answer.figures["lo_tokens"], answer.figures["hi_tokens"]
    start = f"For the plan's last pool, {wording.lengths(lo, hi)} tokens, "
    if answer.chosen.fleet is None:
        return f"{start}no single type keeps the SLO by itself."
    parts = [
        f"{_pool(side)} {_cost(side)}{_more(side, answer.chosen)}"
        if side.fleet
        else f"{side.label} cannot ({side.why})"
        for side in answer.sides[1:]
    ]
    said = f"{start}{answer.chosen.label}: {_pool(answer.chosen)}, {_cost(answer.chosen)}"
    return "; ".join([said, *parts]) + "."


def _apart(_: Advice, answer: Answer) -> str:
    if not answer.figures["parts"]:
        return "No: no pool of the plan is cheaper with its phases apart."
    assert answer.other is not None
    return (
        f"Worth a trial: {answer.chosen.why}; {_cost(answer.chosen)} against "
        f"{_cost(answer.other)} for the plan, by mean rates."
    )


def _simulate(_: Advice, answer: Answer) -> str:
    published, figures = answer.other, answer.figures
    if not answer.chosen.said:
        return "Not done here: leave out --no-verify to see what simulation refuses."
    rows = wording.counted(figures["refused_rows"], "row")
    parts = ["the table's own optimum passes"]
    if figures["refused_rows"]:
        parts = [f"the table's own optimum lost {rows} to simulation"]
    if figures["bound_usd_per_year"] < answer.chosen.usd_per_year * (1 - 1e-9):
        more = answer.chosen.usd_per_year - figures["bound_usd_per_year"]
        parts[0] += f", which costs {wording.money(more)} a year more"
    needed = bool(figures["refused_rows"])
    if published is not None and published.fleet is not None:
        needed = needed or published.is_refused
        what = "refuses" if published.is_refused else "accepts"
        parts.append(
            f"the published method buys {wording.fleet(published.fleet)} for {_cost(published)}, "
            f"promises a P99 TTFT of {wording.milliseconds(published.predicted_ms)} ms, and "
            f"simulation {what} it ({_simulated(published)})"
        )
    return f"{'Yes' if needed else 'It changes nothing here'}: {'; '.join(parts)}."


def _margin(advice: Advice, answer: Answer) -> str:
    f = answer.figures
    text = (
        f"The plan carries {wording.rate(f['carries_requests_per_s'])} requests per second, "
        f"{100 * f['growth']:.1f} % more than now, until {f['weakest_pool']} runs into the "
        f"{f['limit']}"
    )
    if f["verdict_below"] != "not verified":
        text += (
            f" (simulated: {f['verdict_below']} at 0.98 times that, "
            f"{f['verdict_above']} at 1.05 times)"
        )
    for side in answer.sides:
        text += f". {_MARGINS[side.label](side)}{_more(side, advice.plan)}"
    return text + "."


_MARGINS: Mapping[str, Callable[[Side], str]] = {
    "in bursts": lambda s: (
        "Bursts of twice the rate, 10 s at a time and a tenth of the time, take "
        + (f"{wording.fleet(s.fleet)}, {_cost(s)}" if s.fleet else f"more than was tried: {s.why}")
    ),
    "the plan": lambda s: f"It has its spare replicas, {_cost(s)}",
    "designed with spares": lambda s: (
        "With spare replicas for failing nodes the cheapest fleet is "
        + (f"{wording.fleet(s.fleet)}, {_cost(s)}" if s.fleet else f"none: {s.why}")
    ),
    "each on its own node": lambda s: (
        f"With each replica on a node of its own it is {wording.fleet(s.fleet)}, {_cost(s)}"
        if s.fleet
        else ""
    ),
}
_SENTENCES: Mapping[str, Callable[[Advice, Answer], str]] = {
    "split": _split,
    "where": _where,
    "gpu": _gpu,
    "mix": _mix,
    "long_context": _long,
    "disaggregate": _apart,
    "simulate": _simulate,
    "margin": _margin,
}


def _against(chosen: Side, other: Side | None, name: str) -> str:
    assert chosen.fleet is not None
    text = f"{wording.fleet(chosen.fleet)} costs {_cost(chosen)}"
    if other is None:
        return f"{text}."
    if other.fleet is None:
        return f"{text}; {name} cannot be had: {other.why}."
    refused = ", and the simulator refuses it" if other.is_refused else ""
    cost = f"{_cost(other)}{_more(other, chosen)}{refused}"
    return f"{text}; with {name}, {wording.fleet(other.fleet)}, {cost}."


def _pool(side: Side) -> str:
    return wording.machines(side.fleet.pools[0]) if side.fleet else side.label


def _cost(side: Side) -> str:
    return f"{wording.money(side.usd_per_year)} a year"


def _more(side: Side, than: Side) -> str:
    """The difference in percent, such as ' (+12.0 %)'; nothing where there is none."""
    more = 100.0 * (side.usd_per_year / than.usd_per_year - 1.0)
    if side is than or (side.fleet is None and side.why):
        return ""
    return " (the same)" if abs(more) < 0.05 else f" ({more:+.1f}{wording.NO_BREAK}%)"


def _simulated(side: Side) -> str:
    """The pool that attains least, with its intervals."""
    worst = min(side.said, key=lambda said: said.slo_attainment.estimate or 0.0)
    name = side.label
    if worst.verdict == "unstable":
        return f"{name} is unstable"
    p99 = wording.interval(worst.p99_ttft_ms)
    attained = wording.attainment(worst.slo_attainment)
    return f"{name}: P99 TTFT {p99} ms, {attained} within the SLO, {side.verdict}"
