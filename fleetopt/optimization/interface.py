"""The interface of the program: every part of the model that a user may build on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["set", "data", "variable", "expression", "constraint", "objective"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the model.

    index: what it is indexed by; empty if it is a single one.
    unit: of its value; empty if it has none.
    present: when it is there, in words; empty if always.
    """

    name: str
    kind: Kind
    index: str
    unit: str
    meaning: str
    present: str = ""


def parts() -> tuple[Part, ...]:
    """Every part of the model that `build_program` returns, in the order of the page."""
    return (*_SETS, *_DATA, *_VARIABLES, *_EXPRESSIONS, *_CONSTRAINTS)


_NODES = "a node has more than one GPU"
_POWER = "every profile has a power curve"
_FLEET = "`slo_scope` is fleet"
_GOAL = "`objective` is not cost"
_APART = "`phases` is apart or either"
_DRAWN = "`objective` or a limit asks for the mean power"
_CARBON = "the same, and `carbon_g_per_kwh` is stated"

_SETS = (
    Part("candidates", "set", "", "", "pools that may be built, numbered; an element is c"),
    Part("rows", "set", "", "", "pairs (c, k): row k of candidate c"),
    Part("breakpoints", "set", "", "", "0 to M, the positions on a path; an element is i"),
    Part("gpu_types", "set", "", "", "types of GPU that some candidate runs on"),
    Part("bounds", "set", "", "", "positions of the SLO's bounds; an element is b", _FLEET),
)
_DATA = (
    Part("candidate", "data", "c", "", "lengths, compression, type, profile, price, rate and rows"),
    Part("row", "data", "c, k", "", "its replicas, spare ones, and whether it is grey"),
    Part("rows_of", "data", "c", "", "the pairs (c, k) of a candidate"),
    Part("leaving", "data", "i", "", "those that begin at position i and do not decode only"),
    Part("entering", "data", "i", "", "those that end at position i and do not decode only"),
    Part(
        "paired",
        "data",
        "i, j, link",
        "",
        "candidates of an arc on a link: those that prefill, those that decode",
    ),
    Part("node_size", "data", "", "GPUs", "GPUs of a node"),
    Part(
        "spare_price", "data", "type", "USD/h", "one spare GPU, as on the type's cheapest profile"
    ),
    Part("arrival_rate", "data", "", "requests/s", "of all pools together", _FLEET),
    Part("design", "data", "", "", "the problem and its tables, for `solve_program`; leave it"),
)
_VARIABLES = (
    Part("z", "variable", "c, k", "0 or 1", "candidate c is built with the replicas of its row k"),
    Part("nodes", "variable", "type", "nodes", "whole nodes that are bought", _NODES),
)
_EXPRESSIONS = (
    Part("open", "expression", "c", "0 or 1", "whether candidate c is built"),
    Part("pools", "expression", "", "pools", "how many pools are built, two phases apart as one"),
    Part("cost", "expression", "", "USD/h", "cost of the fleet, all that is spare included"),
    Part("pool_cost", "expression", "c", "USD/h", "cost of a pool; 0 if it is not built"),
    Part("gpus", "expression", "type", "GPUs", "GPUs of the pools, spare replicas included"),
    Part("gpus_bought", "expression", "type", "GPUs", "GPUs in whole nodes"),
    Part("total_gpus", "expression", "", "GPUs", "GPUs of all types in whole nodes"),
    Part("pool_gpus", "expression", "c", "GPUs", "GPUs of a pool; 0 if it is not built"),
    Part("power", "expression", "", "kW", "power of the fleet with every slot busy", _POWER),
    Part("mean_power", "expression", "", "kW", "mean power of the fleet, by the tables", _DRAWN),
    Part("energy", "expression", "", "MWh/year", "energy of the fleet, PUE included", _DRAWN),
    Part("carbon", "expression", "", "t/year", "CO2 of the fleet", _CARBON),
    Part("pool_power", "expression", "c", "kW", "the same of a pool", _POWER),
    Part("pool_rate", "expression", "c", "requests/s", "arrival rate of a pool; 0 if not built"),
    Part("share", "expression", "c", "", "share of all requests that a pool serves"),
    Part("miss", "expression", "b", "", "share of all requests beyond a bound", _FLEET),
    Part("p99_ttft", "expression", "c", "ms", "P99 TTFT of a pool by the table; 0 if not built"),
    Part("p99_tpot", "expression", "c", "ms", "P99 TPOT of a pool by the table; 0 if not built"),
    Part("p99_e2e", "expression", "c", "ms", "P99 E2E latency by the table; 0 if not built"),
)
_CONSTRAINTS = (
    Part("flow_conservation", "constraint", "i", "", "the pools serve every length once"),
    Part("pool_limit", "constraint", "", "pools", "at most `max_pools` pools"),
    Part("phase_pairing", "constraint", "i, j, link", "", "what is prefilled is decoded", _APART),
    Part("inventory", "constraint", "type", "GPUs", "GPUs in stock", "`inventory` is stated"),
    Part("gpu_limit", "constraint", "", "GPUs", "most GPUs", "`max_gpus` is stated"),
    Part("power_limit", "constraint", "", "kW", "most power", "`power_kw` is stated"),
    Part("budget", "constraint", "", "USD/h", "most cost", "`budget_usd_per_year` is stated"),
    Part(
        "mean_power_limit", "constraint", "", "kW", "most on average", "`mean_power_kw` is stated"
    ),
    Part(
        "energy_limit",
        "constraint",
        "",
        "MWh/year",
        "most energy",
        "`energy_mwh_per_year` is stated",
    ),
    Part(
        "carbon_limit",
        "constraint",
        "",
        "t/year",
        "most CO2",
        "`carbon_tonnes_per_year` is stated",
    ),
    Part("whole_nodes", "constraint", "type", "GPUs", "nodes hold the GPUs of a type", _NODES),
    Part(
        "least_replicas",
        "constraint",
        "c",
        "replicas",
        "least of a pool",
        "`min_replicas` is above 1",
    ),
    Part("fleet_attainment", "constraint", "b", "", "what all requests together keep", _FLEET),
    Part(
        "availability",
        "constraint",
        "c",
        "replicas",
        "enough of a pool are up",
        "nodes are down at times",
    ),
    Part("least_cost", "objective", "", "USD/h", "the least `cost`; replace it with your own"),
    Part("goal", "objective", "", "", "the least of `objective` in a year, in its place", _GOAL),
)
