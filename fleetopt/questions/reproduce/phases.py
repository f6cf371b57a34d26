"""Puzzle 7: when should I disaggregate prefill and decode?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleetopt.catalog import read_profiles
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import PhasesApart, validate
from fleetopt.questions.disaggregation import Pair, Question
from fleetopt.questions.reproduce.bench import Bench, Layout
from fleetopt.questions.reproduce.figure import Figure, Kind
from fleetopt.questions.reproduce.fleets import ALONE
from fleetopt.questions.reproduce.published import PublishedScenario

WITHOUT_PROMPT = "published decode leaves the prompt out of its batch"
_KINDS: dict[str, Kind] = {
    "gpus": "count", "n_prefill": "count", "n_decode": "count", "usd_per_year": "usd",
    "ttft_ms": "ms", "tpot_ms": "ms",
}  # fmt: skip
Row = Mapping[str, Any]


def phases(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """Aggregated pools, and both phases apart; the table's counts hold the prompt's KV."""
    for row in scenario.rows:
        values = (
            _together(bench, scenario.stated, row)
            if row["config"].startswith("all-")
            else _apart(pair_of(scenario.stated, row["config"]))
        )
        for quantity, (method, table, leeway, why) in values.items():
            yield Figure(
                scenario.key, row["config"], quantity, _KINDS[quantity], row[quantity], method,
                table, leeway=leeway, why=why,
            )  # fmt: skip


Values = dict[str, tuple[float, float | None, float, str]]


def _together(bench: Bench, stated: Row, row: Row) -> Values:
    gpu = row["config"].split()[0].removeprefix("all-")
    layout = Layout(stated["cdf"], stated["lam"], stated["slo_ttft_ms"], stated["max_ctx"],
                    gpu, gpu, stated["max_ctx"])  # fmt: skip
    method, table = (bench.split(layout, name) for name in ("published", "fleetopt"))
    price = read_profiles()[gpu].usd_per_hour * HOURS_PER_YEAR
    return {
        "gpus": (method.gpus, table.gpus, 0.0, ""),
        "usd_per_year": (method.usd_per_year, table.usd_per_year, price, ""),
        "ttft_ms": (method.p99_short_ms, table.p99_short_ms, 0.0, ALONE),
    }


def _apart(pair: Pair) -> Values:
    first, second = pair.published, pair.corrected
    why = WITHOUT_PROMPT
    return {
        "n_prefill": (first.n_prefill, second.n_prefill, 0.0, why),
        "n_decode": (first.n_decode, second.n_decode, 0.0, why),
        "usd_per_year": (first.usd_per_year, second.usd_per_year, 0.0, why),
        "ttft_ms": (pair.ttft_ms, None, 0.0, why),
        "tpot_ms": (pair.tpot_ms, None, 0.0, why),
    }


def pair_of(stated: Row, config: str) -> Pair:
    """Two GPUs, such as those of 'h100P+a100D'."""
    prefill, decode = (part[:-1] for part in config.split("+"))
    keys = {name: stated[name] for name in ("cdf", "lam", "slo_ttft_ms", "slo_tpot_ms", "max_ctx")}
    asked = validate(PhasesApart, {**keys, "gpu_prefill": prefill, "gpu_decode": decode}, "")
    return Question(asked).pair(prefill, decode, stated["lam"])
