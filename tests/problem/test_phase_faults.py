"""Phases apart as a user states them: links in all their forms, and what does not go together."""

from __future__ import annotations

import pytest

from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, PhaseLink, PhasesApart, validate

APART = {"phases": "apart", "gpus": ["a100", "h100"]}


def stated(**keys: object) -> FleetProblem:
    return validate(FleetProblem, {**APART, **keys}, "")


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("ndr400", PhaseLink(name="ndr400")),
        ("ndr400:h100:a100", PhaseLink(name="ndr400", prefill="h100", decode="a100")),
        ("50", PhaseLink(gb_per_s=50.0)),
        ("12.5:a100:h100", PhaseLink(gb_per_s=12.5, prefill="a100", decode="h100")),
    ],
)
def test_links_as_texts(text: str, link: PhaseLink) -> None:
    assert stated(links=[text]).links == (link,)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"links": ["ndr400:h100"]}, r"links\[0\]: expected a link or GB/s"),
        ({"links": [{"prefill": "h100"}]}, "expected the name of a link, or its bandwidth"),
        ({"phases": "together", "links": ["ndr400"]}, "links: both phases are together"),
        ({"slo": ["p99 e2e 9000"]}, "no bound on E2E latency binds one of them by itself"),
        ({"slo_scope": "fleet"}, "each held to its own bounds"),
        ({"method": "published"}, "the published method has no table"),
        ({"objective": "energy"}, "whose tables know no mean draw"),
        ({"phases": "both"}, "phases: expected 'together', 'apart' or 'either', got 'both'"),
    ],
)
def test_what_does_not_go_together(keys: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        stated(**keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"links": ["ndr40"]}, r"links\[0\].name: unknown link 'ndr40' \(did you mean 'ndr400'"),
        ({"links": ["50:h10:a100"]}, r"links\[0\].prefill: 'h10' is none of the profiles"),
        ({"gpus": ["a10g"]}, "no link takes KV from one of a10g"),
        ({"gpus": ["a10g"], "links": ["50:a10g:a10g"]}, "does not say how large its KV is"),
        (
            {"gpus": ["a10g", "h100"], "links": ["50:a10g:h100"]},
            "a10g serves 7B-class model, h100 .* one cannot read the KV of the other",
        ),
    ],
)
def test_links_that_join_nothing(keys: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Case.of(stated(**keys))


def test_every_fault_of_links_is_told_at_once() -> None:
    with pytest.raises(InputError) as raised:
        Case.of(stated(links=["nothing", "50:b:a100", "50:h100:c"]))
    places = [fault.place for fault in raised.value.faults]
    assert places == ["links[0].name", "links[1].prefill", "links[2].decode"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"kv_transfer": "factor:0.5", "method": "published"}, "a factor of at least 1"),
        ({"kv_transfer": "fast"}, "expected link, or a factor"),
        ({"kv_transfer": "factor:1.8"}, "of the published rule: say --method published"),
    ],
)
def test_what_the_transfer_adds(keys: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        validate(PhasesApart, {"cdf": "azure", **keys}, "")
    assert PhasesApart(cdf="azure").ttft_factor == 1.8
    assert PhasesApart(cdf="azure", method="published", kv_transfer="link").ttft_factor is None
