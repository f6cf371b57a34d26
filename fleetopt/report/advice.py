"""Advice as text, JSON and CSV: an answer to each question, and the rules at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fleetopt.questions.advice import RULES, Advice, Answer, Ruling, Side
from fleetopt.report import wording
from fleetopt.report.advice_words import OUTCOMES, TITLES, certainty, ruling, sentence
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout, Table, Text

SCHEMA = "fleetopt.advice/1"
_READ = "What each rule says, and how it is read, is in the manual and in --format json."


def advice_report(advice: Advice, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(advice, width))


def advice_to_dict(advice: Advice) -> dict[str, Any]:
    """The JSON form: `rows` are the answers, `rules` what each published rule says here."""
    return {
        "schema": SCHEMA,
        "arrival_rate": advice.arrival_rate,
        "plan": _side(advice.plan),
        "traits": asdict(advice.traits),
        "rows": advice_rows(advice),
        "answers": {answer.question: _answer(answer) for answer in advice.answers},
        "rules": [_rule(said) for said in advice.rulings],
        "notes": [_plain(note) for note in advice.notes],
        "problem": advice.problem.model_dump(mode="json", exclude_none=True),
    }


def advice_rows(advice: Advice) -> list[dict[str, Any]]:
    """One flat row for each question."""
    return [_row(advice, answer) for answer in advice.answers]


def _sections(advice: Advice, width: int) -> Iterator[Layout]:
    assert advice.plan.fleet is not None
    bounds = ", ".join(f"{b.label} within {b.limit_ms:g} ms" for b in advice.problem.slo)
    start = f"At {wording.rate(advice.arrival_rate)} requests per second, {bounds}: "
    cost = f"{wording.money(advice.plan.usd_per_year)} a year"
    verdict = f"verdict: {advice.plan.verdict}"
    yield line(f"{start}{wording.fleet(advice.plan.fleet)}, {cost}, {verdict}.", width, "bold")
    for answer in advice.answers:
        yield section(
            TITLES[answer.question],
            line(sentence(advice, answer), width),
            *(line(ruling(advice, said), width) for said in answer.rulings),
            line(certainty(answer), width),
        )
    yield section("Published rules on this workload", _rules(advice), Text(""), line(_READ, width))
    if advice.notes:
        yield section("Notes", *(line(note, width) for note in advice.notes))


def _rules(advice: Advice) -> Table:
    table = columns("rule", "advises", "outcome", "bought, $/yr", "plan, $/yr", left=3)
    for said in advice.rulings:
        bought = said.followed.usd_per_year if said.followed else math.inf
        about = said.rule == "H100 for long contexts"
        than = advice.answer("long_context").chosen if about else advice.plan
        table.add_row(
            said.rule,
            said.advises or wording.NOTHING,
            OUTCOMES[said.outcome],
            wording.money(bought) if math.isfinite(bought) else wording.NOTHING,
            wording.money(than.usd_per_year) if math.isfinite(than.usd_per_year) else "",
        )
    return table


def _row(advice: Advice, answer: Answer) -> dict[str, Any]:
    chosen, other = answer.chosen, answer.other
    cost = _finite(chosen.usd_per_year)
    against = None if other is None else _finite(other.usd_per_year)
    return {
        "question": answer.question,
        "answer": _plain(sentence(advice, answer)),
        "chosen": _fleet(chosen),
        "gpus": chosen.gpus,
        "usd_per_year": cost,
        "verdict": chosen.verdict,
        "other": None if other is None else _fleet(other),
        "other_usd_per_year": against,
        "other_verdict": None if other is None else other.verdict,
        "difference_pct": 100.0 * (against / cost - 1.0) if cost and against else None,
        "certainty": answer.certainty,
        "rules_wrong": sum(said.outcome == "wrong" for said in answer.rulings),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "chosen": _side(answer.chosen),
        "other": None if answer.other is None else _side(answer.other),
        "sides": [_side(side) for side in answer.sides],
        "figures": dict(answer.figures),
    }


def _rule(said: Ruling) -> dict[str, Any]:
    return {
        "rule": said.rule,
        "says": RULES[said.rule].says,
        "reading": RULES[said.rule].reading,
        "advises": said.advises,
        "outcome": said.outcome,
        "why": said.why,
        "followed": None if said.followed is None else _side(said.followed),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "label": side.label,
        "fleet": None if side.fleet is None else asdict(side.fleet),
        "usd_per_year": _finite(side.usd_per_year),
        "predicted_p99_ttft_ms": side.predicted_ms,
        "verdict": side.verdict,
        "simulated": [asdict(said) for said in side.said],
        "why": side.why,
    }


def _fleet(side: Side) -> str:
    if side.fleet is None:
        return side.label
    pools = side.fleet.pools
    if len(pools) == 1 and pools[0].lo_tokens > 0:  # one pool of a fleet
        ends = wording.lengths(pools[0].lo_tokens, pools[0].hi_tokens)
        return _plain(f"{wording.machines(pools[0])} for {ends}")
    return _plain(wording.fleet(side.fleet))


def _finite(usd: float) -> float | None:
    return usd if math.isfinite(usd) else None


def _plain(text: str) -> str:
    return text.replace(wording.NO_BREAK, " ")
