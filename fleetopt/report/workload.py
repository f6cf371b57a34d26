"""A workload as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fleetopt.problem import WORKLOAD_SCHEMA, ArrivalFigures, LengthCdf, RateProfile, Workload
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Layout, Table, Text
from fleetopt.workload.burstiness import modulated
from fleetopt.workload.lengths import LengthDistribution

SCHEMA = "fleetopt.workload-figures/1"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
_PARTS = ("total", "prompt", "output")
_BARS = " ▁▂▃▄▅▆▇█"


def workload_to_dict(workload: Workload) -> dict[str, Any]:
    """The workload file: what `--cdf` reads back."""
    return {"schema": WORKLOAD_SCHEMA, **workload.model_dump(mode="json", exclude_none=False)}


def figures_to_dict(stated: LengthCdf) -> dict[str, Any]:
    """The JSON form: lengths in tokens at each share, and the arrivals as they are stated."""
    arrivals = stated.arrivals if isinstance(stated, Workload) else None
    return {
        "schema": SCHEMA,
        "name": stated.name,
        "mean_tokens": dict(zip(_PARTS, _means(_lengths(stated)), strict=True)),
        "quantiles": quantile_rows(stated),
        "arrivals": arrivals.model_dump(mode="json") if arrivals else None,
        "files": [f.model_dump() for f in stated.files] if isinstance(stated, Workload) else [],
    }


def quantile_rows(stated: LengthCdf) -> list[dict[str, Any]]:
    """For each share, the tokens that so many requests do not exceed."""
    lengths = _lengths(stated)
    values = [lengths.total_tokens, lengths.prompt_tokens, lengths.output_tokens]
    found = [quantiles(tokens, lengths.weights) for tokens in values]
    return [
        {"share": share, **{f"{part}_tokens": int(found[k][i]) for k, part in enumerate(_PARTS)}}
        for i, share in enumerate(QUANTILES)
    ]


def quantiles(tokens: Any, weights: Any) -> Any:
    """The token counts that each share of QUANTILES does not exceed."""
    order = np.argsort(tokens, kind="stable")
    below = np.cumsum(weights[order])
    at = np.searchsorted(below, np.array(QUANTILES) * below[-1] * (1 - 1e-12), side="left")
    return tokens[order][np.minimum(at, order.size - 1)]


def fitted_line(workload: Workload) -> str:
    """What was fitted, and what was left out."""
    requests = sum(count for *_, count in workload.joint.pairs) if workload.joint else 0
    skipped = sum(file.skipped for file in workload.files)
    text = f"{workload.name}: {wording.counted(requests, 'request')}, "
    text += f"{wording.counted(skipped, 'bad line')} left out"
    if workload.arrivals is None:
        return f"{text}, no arrival times".replace(wording.NO_BREAK, " ")
    rate = f"{wording.rate(workload.arrivals.rate)} requests per second"
    return f"{text}, {rate}".replace(wording.NO_BREAK, " ")


def workload_report(stated: LengthCdf, width: int) -> Group:
    """The whole report for a width in columns."""
    return Group(*_sections(stated, width))


def _sections(stated: LengthCdf, width: int) -> Iterator[Layout]:
    yield line(f"{stated.name}{f': {stated.title}' if stated.title else ''}", width, "bold")
    if stated.source:
        yield line(f"Source: {stated.source}", width)
    yield section("Lengths, in tokens", _length_table(stated), line(_joint(stated), width))
    if not isinstance(stated, Workload):
        return
    if stated.arrivals is not None:
        told = [line(text, width) for text in _arrival_lines(stated.arrivals)]
        yield section("Arrivals", _window_table(stated.arrivals), *told)
        yield section("Rate over time", *_profile(stated.arrivals.profile, width))
    for title, counts in (("Models", stated.models), ("Categories", stated.categories)):
        if counts:
            yield section(title, _count_table(counts))
    if stated.files:
        yield section("Files", *(line(text, width) for text in _files(stated)))


def _lengths(stated: LengthCdf) -> LengthDistribution:
    return LengthDistribution.from_cdf(stated)


def _means(lengths: LengthDistribution) -> list[float]:
    parts = (lengths.total_tokens, lengths.prompt_tokens, lengths.output_tokens)
    return [lengths.mean(tokens) for tokens in parts]


def _length_table(stated: LengthCdf) -> Table:
    table = columns("share of requests", "total", "prompt", "output")
    for row in quantile_rows(stated):
        name = "all" if row["share"] == 1 else f"{100 * row['share']:g}{wording.NO_BREAK}%"
        table.add_row(name, *(f"{row[f'{part}_tokens']:,}" for part in _PARTS))
    table.add_row("mean", *(f"{mean:,.0f}" for mean in _means(_lengths(stated))), style="bold")
    return table


def _joint(stated: LengthCdf) -> str:
    if stated.joint is None:
        share = wording.share(stated.prompt_fraction, 0)
        return f"Spread evenly between {len(stated.cdf)} points; {share} of the tokens are prompt."
    text = wording.counted(len(stated.joint.pairs), "different pair")
    limit, bins = stated.joint.binned_above, stated.joint.bins_per_doubling
    how = "as recorded" if limit is None else f"above {limit:,} tokens in {bins} bins a doubling"
    return f"{text} of prompt and output, {how}."


def _window_table(arrivals: ArrivalFigures) -> Table:
    peaks, dispersions = dict(arrivals.peak_rates), dict(arrivals.dispersion)
    table = columns(
        "window", "largest rate\nreq/s", "times\nthe mean", "variance of counts\nover mean"
    )
    for window in sorted({*peaks, *dispersions}):
        peak, index = peaks.get(window), dispersions.get(window)
        table.add_row(
            _duration(window),
            wording.rate(peak),
            wording.NOTHING if peak is None else f"{peak / arrivals.rate:.3g}",
            wording.NOTHING if index is None else f"{index:,.3g}",
        )
    return table


def _arrival_lines(arrivals: ArrivalFigures) -> Iterator[str]:
    yield (
        f"{wording.counted(arrivals.requests, 'request')} in {_duration(arrivals.duration_s)}, "
        f"{wording.rate(arrivals.rate)} per second."
    )
    yield (
        f"Gaps: squared coefficient of variation {arrivals.gap_cv2:.3g}; 1 for Poisson arrivals, "
        "as in the last column."
    )
    bursty = modulated(arrivals)
    if bursty is not None:
        quiet = f"{wording.rate(bursty.quiet_rate)} per second" if bursty.quiet_rate else "nothing"
        yield (
            f"Varies like bursts of {wording.rate(bursty.burst_rate)} per second for "
            f"{_duration(bursty.burst_s)}, with {quiet} for {_duration(bursty.quiet_s)} between."
        )


def _profile(profile: RateProfile, width: int) -> Iterator[Text]:
    """The rate over time as bars, and over the hours of the day if they are known."""
    start = f" from {profile.start_utc} UTC" if profile.start_utc else ""
    most = max(profile.rates)
    yield line(
        f"Bins of {_duration(profile.bin_s)}{start}, 0 to {wording.rate(most)} req/s.", width
    )
    for i in range(0, len(profile.rates), width):
        yield Text(_bars(profile.rates[i : i + width], most))
    if any(rate is not None for rate in profile.hours_utc):
        most = max(rate for rate in profile.hours_utc if rate is not None)
        bars = "".join("." if r is None else _bars((r,), most) for r in profile.hours_utc)
        text = (
            f"Hours of the day in UTC from 0 to 23, up to {wording.rate(most)} req/s; . is unknown."
        )
        yield line(text, width)
        yield Text(bars)


def _bars(rates: tuple[float, ...], most: float) -> str:
    """A bar of at least one step for each rate above 0."""
    steps = len(_BARS) - 1
    return "".join(
        _BARS[int(np.ceil(rate / most * steps - 1e-9))] if rate else " " for rate in rates
    )


def _count_table(counts: dict[str, int]) -> Table:
    table = columns("name", "requests", "share")
    whole = sum(counts.values())
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(name or "not stated", f"{count:,}", wording.share(count / whole))
    return table


def _files(workload: Workload) -> Iterator[str]:
    for file in workload.files:
        read, skipped = (
            wording.counted(file.requests, "request"), wording.counted(file.skipped, "bad line"),
        )  # fmt: skip
        yield f"{Path(file.path).name} ({file.format}): {read}, {skipped} left out"


def _duration(seconds: float) -> str:
    """A time in its own unit, such as '10 s', '5 min' or '57.3 min'."""
    units = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))
    size, unit = next(((s, u) for s, u in units if seconds >= s), units[-1])
    return f"{seconds / size:.3g}{wording.NO_BREAK}{unit}"
