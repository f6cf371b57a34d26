"""A split that was optimized, as text, JSON and CSV: what to buy first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleetopt.questions.two_pools import (
    Answer,
    OnePool,
    Optimization,
    SimulatedSplit,
    Split,
    TwoPools,
)
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout, Table
from fleetopt.report.two_pools import (
    asked_to_dict,
    mark,
    p99_cells,
    p99_in_words,
    question,
    simulated_to_dict,
    split_in_words,
    split_to_dict,
    yearly,
)

SCHEMA = "fleetopt.optimization/1"


def optimization_report(found: Optimization, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(found, width))


def optimization_to_dict(found: Optimization) -> dict[str, Any]:
    """The JSON form; the rows have the published names, and more beside them."""
    return {
        "schema": SCHEMA,
        "question": asked_to_dict(found.asked),
        "recommendation": [text.replace(wording.NO_BREAK, " ") for text in recommendation(found)],
        "best": {method: _best(answer) for method, answer in _answers(found).items()},
        "rows": optimization_rows(found),
    }


def optimization_rows(found: Optimization) -> list[dict[str, Any]]:
    """One flat row for each one pool and each factor of compression, by both methods."""
    rows = []
    for method, answer in _answers(found).items():
        rows += [_one_pool_row(pool, found, method) for pool in answer.one_pools]
        rows += [_split_row(split, answer, found, method) for split in answer.swept]
    return rows


def recommendation(found: Optimization) -> Iterator[str]:
    """What one pool costs, what the split costs, and what became of the published answer."""
    own, asked = found.own, found.asked
    whole = _cheapest(own)
    if whole is not None:
        verb = "keeps" if whole.found.meets else "misses"
        one = split_in_words(whole.found, asked, one_pool=True)
        said = f"P99 TTFT {p99_in_words(whole.found)} {_source(whole.found)}"
        yield f"One pool for all requests: {one}; it {verb} the SLO, {said}."
    yield from _best_split(found, whole)
    if asked.method != "published":
        yield from _published(found)


def _sections(found: Optimization, width: int) -> Iterator[Layout]:
    first, *rest = recommendation(found)
    yield line(first, width, "bold")
    yield from (line(text, width, "bold" if i == 0 else "") for i, text in enumerate(rest))
    title = f"Split at {found.b_short:,} tokens: {question(found.asked)}"
    yield section(title, _swept(found.own, found.asked))
    if found.own.simulated:
        yield section("Simulated", _simulations(found))
    if found.asked.method != "published":
        yield section("By the published method", _swept(found.published, found.asked))
    notes = list(_notes(found))
    if notes:
        yield section("Notes", *(line(note, width) for note in notes))


def _answers(found: Optimization) -> dict[str, Answer]:
    """The answer of each method; the published one once if it was asked for."""
    own = {found.asked.method: found.own}
    return own if found.asked.method == "published" else own | {"published": found.published}


def _best_split(found: Optimization, whole: OnePool | None) -> Iterator[str]:
    best, asked = found.own.found, found.asked
    if not best.pools:
        yield f"Split at {found.b_short:,} tokens: no fleet; {best.why}."
        return
    if found.b_short >= asked.long_max_ctx:
        return
    verb = "keeps" if best.meets else "misses"
    factor = f", compressing up to {best.gamma * best.b_short:,.0f}" if best.gamma > 1.0 else ""
    fleet = split_in_words(best, asked)
    compared = f"; {_compared(best, whole)}" if whole is not None and best.meets else ""
    yield (
        f"Split at {found.b_short:,} tokens{factor}: {fleet}; it {verb} the SLO, "
        f"P99 TTFT {p99_in_words(best)} {_source(best)}{compared}."
    )


def _compared(best: Split | SimulatedSplit, whole: OnePool) -> str:
    saved = whole.found.usd_per_year - best.usd_per_year
    share = f"({abs(100.0 * saved / whole.found.usd_per_year):.1f}{wording.NO_BREAK}%)"
    if abs(saved) < 0.5:
        return "it costs the same"
    if saved > 0:
        return f"it saves {yearly(saved)} {share}"
    return f"it costs {yearly(-saved)} more {share}"


def _published(found: Optimization) -> Iterator[str]:
    """The published answer, and what the simulator makes of it."""
    answer, asked = found.published, found.asked
    if not answer.best.pools:
        return
    said = f"P99 TTFT {p99_in_words(answer.best)}"
    factor = f" at gamma {answer.best.gamma:g}" if answer.best.gamma > 1.0 else ""
    text = f"The published method says {split_in_words(answer.best, asked)}{factor}, {said}"
    seen = answer.best_simulated
    if seen is None:
        yield f"{text}; it was not simulated."
        return
    ends = {
        "pass": f"it keeps the SLO in simulation, at {p99_in_words(seen)}",
        "fail": f"in simulation it misses the SLO, at {p99_in_words(seen)}",
        "unstable": "in simulation it cannot keep up: its requests pile up",
    }
    yield f"{text}; {ends.get(seen.verdict, f'simulation says: {seen.verdict}')}."


def _swept(answer: Answer, asked: TwoPools) -> Table:
    """One pool, and every factor of compression, by the tables of a method."""
    table = columns(
        "pools", "gamma", "short\n+ long", "cost\n$/yr", "P99 short\nms", "P99 long\nms", "SLO"
    )
    pairs = [(f"one, {pool.gpu.name}", pool.split) for pool in answer.one_pools]
    pairs += [(_gpus(asked), split) for split in answer.swept]
    for label, split in pairs:
        cost = wording.money(split.usd_per_year) if split.pools else wording.NOTHING
        figures = (_counts(split), cost, *p99_cells(split), mark(split.meets))
        is_best = split in answer.swept and split.gamma == answer.found.gamma
        table.add_row(label, f"{split.gamma:g}", *figures, style="bold" if is_best else "")
    return table


def _simulations(found: Optimization) -> Table:
    """Everything that was simulated, with the pools that the simulator accepts."""
    table = columns(
        "pools", "gamma", "short\n+ long", "cost\n$/yr", "P99 short\nms", "P99 long\nms", "verdict"
    )
    for method, answer in _answers(found).items():
        by = ", published" if method == "published" else ""
        pairs = [(f"one, {pool.gpu.name}{by}", pool.simulated) for pool in answer.one_pools]
        pairs += [(f"{_gpus(found.asked)}{by}", split) for split in answer.simulated]
        for label, seen in pairs:
            if seen is not None:
                cost = wording.money(seen.usd_per_year) if seen.pools else wording.NOTHING
                style = "bold" if seen is found.own.found else ""
                figures = (_counts(seen), cost, *p99_cells(seen), seen.verdict)
                table.add_row(label, f"{seen.gamma:g}", *figures, style=style)
    return table


def _gpus(asked: TwoPools) -> str:
    return " + ".join(dict.fromkeys((asked.short.name, asked.long.name)))


def _counts(found: Split | SimulatedSplit) -> str:
    if not found.pools:
        return "none"
    return f"{found.n_short:,} + {found.n_long:,}" if found.long else f"{found.n_short:,}"


def _notes(found: Optimization) -> Iterator[str]:
    if any(split.gamma > 1.0 for split in found.own.swept):
        share = wording.share(found.asked.p_c, 0)
        yield (
            f"gamma compresses {share} of the requests of up to gamma times the split to its "
            "length; the published method leaves their work out"
        )
    for split in (*found.own.swept, *found.published.swept):
        if split.why:
            yield f"gamma {split.gamma:g}: {split.why}"
    if not found.own.simulated:
        yield "by the tables; nothing was simulated"


def _cheapest(answer: Answer) -> OnePool | None:
    """The cheapest one pool that keeps the SLO; else the cheapest."""
    order = sorted(answer.one_pools, key=lambda p: (not p.found.meets, p.found.usd_per_hour))
    return order[0] if order else None


def _simulated(answer: Answer, split: Split) -> SimulatedSplit | None:
    return next((seen for seen in answer.simulated if seen.gamma == split.gamma), None)


def _source(found: Split | SimulatedSplit) -> str:
    return "simulated" if isinstance(found, SimulatedSplit) else "by the tables"


def _best(answer: Answer) -> dict[str, Any]:
    """The best split of a method, in short."""
    found = answer.found
    return {
        "source": "simulation" if isinstance(found, SimulatedSplit) else "table",
        **{key: value for key, value in split_to_dict(found).items() if key != "worst_p99_ms"},
    }


def _one_pool_row(pool: OnePool, found: Optimization, method: str) -> dict[str, Any]:
    context = found.asked.long_max_ctx
    row = _row(pool.split, pool.simulated, method)
    row |= {
        "config": f"homo {_thousands(context)}",
        "layout": "homo",
        "gpu": pool.gpu.name,
        "p99_ms": pool.split.p99_short_ms,
        "p99_short_ms": None,
        "p99_long_ms": None,
    }
    return row


def _split_row(split: Split, answer: Answer, found: Optimization, method: str) -> dict[str, Any]:
    asked = found.asked
    row = _row(split, _simulated(answer, split), method)
    if found.b_short < asked.long_max_ctx:
        config = f"two-pool {_thousands(split.b_short)}/{_thousands(asked.long_max_ctx)}"
        return row | {"config": config, "layout": "two-pool", "gpu": _gpus(asked).replace(" ", "")}
    config = f"homo {_thousands(found.b_short)}"
    return row | {"config": config, "layout": "homo", "gpu": asked.short.name,
                  "p99_ms": split.p99_short_ms}  # fmt: skip


def _row(split: Split, seen: SimulatedSplit | None, method: str) -> dict[str, Any]:
    named = {"config": "", "layout": "", "gpu": "", "method": method}
    return {**named, **split_to_dict(split), "p99_ms": None, **simulated_to_dict(seen)}


def _thousands(tokens: int) -> str:
    """Tokens as the published tables write them, such as '4K' or '65K'."""
    return f"{tokens // 1000}K" if tokens >= 1000 else f"{tokens}"
