"""The published routers by their class names and parameters, over fleetopt's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleetopt.compat.workload import Request
from fleetopt.errors import Fault, InputError, near
from fleetopt.simulation.routing import (
    ByLength,
    ByModel,
    CompressAndRoute,
    FewestSequences,
    RandomPool,
    Router,
    Spillover,
)

PARAMETERS: dict[str, tuple[str, ...]] = {
    "LengthRouter": ("threshold",),
    "CompressAndRouteRouter": (
        "B_short", "gamma", "p_compress", "safe_cats", "compress_lat", "seed",
    ),
    "RandomRouter": ("seed",),
    "LeastLoadedRouter": (),
    "SpilloverRouter": ("threshold", "spill_threshold"),
    "ModelRouter": ("default_pool",),
    "SemanticRouter": ("classify_fn", "default_pool"),
}  # fmt: skip
"""Parameters of each published router."""
_SAFE = ("prose", "rag", "mixed")
"""Categories that are compressed unless others are named."""


def router_of(name: str, kwargs: Mapping[str, Any], pools: Sequence[str],
              categories: Sequence[str]) -> Router:  # fmt: skip
    """The router. Raises InputError for unknown names and parameters.

    pools: names in the order of the configuration. categories: of the requests.
    """
    _check(name, kwargs, pools)
    thresholds = (kwargs["threshold"],) if kwargs.get("threshold") and len(pools) > 1 else ()
    if name == "CompressAndRouteRouter":
        safe = kwargs.get("safe_cats") or _SAFE
        return CompressAndRoute(
            kwargs["B_short"],
            kwargs.get("gamma", 1.5),
            tuple(category for category in categories if category not in safe),
            kwargs.get("p_compress", 1.0),
            kwargs.get("compress_lat", 0.003),
        )
    if name == "RandomRouter":
        return RandomPool()
    if name == "LeastLoadedRouter":
        return FewestSequences()
    if name == "SpilloverRouter":
        return Spillover(thresholds, kwargs.get("spill_threshold", 0.85))
    if name in ("ModelRouter", "SemanticRouter"):
        return ByModel({}, kwargs.get("default_pool") or pools[0])
    return ByLength(thresholds)


def pool_names(name: str, kwargs: Mapping[str, Any], requests: Sequence[Request]) -> list[str]:
    """What the model router takes for the model of each request."""
    classify: Callable[[Request], str | None] | None = kwargs.get("classify_fn")
    if name == "SemanticRouter" and classify is not None:
        return [classify(request) or "" for request in requests]
    return [request.model_id or "" for request in requests]


def _check(name: str, kwargs: Mapping[str, Any], pools: Sequence[str]) -> None:
    if name not in PARAMETERS:
        text = f"unknown router {name!r}"
        raise InputError.single("router_type", text, near(name, PARAMETERS))
    takes = PARAMETERS[name]
    faults = [
        Fault("router_kwargs", f"{name} takes no {key!r}", near(key, takes))
        for key in kwargs
        if key not in takes
    ]
    if name == "CompressAndRouteRouter" and "B_short" not in kwargs:
        faults.append(Fault("router_kwargs", f"{name} needs B_short"))
    default = kwargs.get("default_pool")
    if default and default not in pools:
        faults.append(
            Fault("router_kwargs", f"no pool is called {default!r}", near(default, pools))
        )
    if faults:
        raise InputError(faults)
