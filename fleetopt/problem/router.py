"""A router as a user states it: its name, and the parameters that it knows."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from fleetopt.errors import Fault, near
from fleetopt.problem.faults import FaultsError, Stated
from fleetopt.problem.lengths import MAX_TOKENS

RouterName = Literal[
    "length",
    "compress",
    "random",
    "round-robin",
    "fewest",
    "power-of-two",
    "spillover",
    "model",
    "semantic",
    "prefix",
]
ROUTERS: tuple[str, ...] = get_args(RouterName)
_ALIASES = {
    "lengthrouter": "length",
    "compressroute": "compress",
    "compressandroute": "compress",
    "compressandrouterouter": "compress",
    "randomrouter": "random",
    "roundrobin": "round-robin",
    "leastloaded": "fewest",
    "leastloadedrouter": "fewest",
    "poweroftwo": "power-of-two",
    "spilloverrouter": "spillover",
    "modelrouter": "model",
    "semanticrouter": "semantic",
    "prefixaware": "prefix",
    "prefixrouter": "prefix",
}
"""Published and other spellings, without their dashes."""
PARAMETERS: dict[str, tuple[str, ...]] = {
    "length": ("thresholds",),
    "compress": (
        "threshold",
        "gamma",
        "thresholds",
        "gammas",
        "never",
        "success",
        "latency_ms",
    ),
    "random": ("by_replicas",),
    "round-robin": (),
    "fewest": (),
    "power-of-two": (),
    "spillover": ("thresholds", "pressure"),
    "model": ("pools", "fallback"),
    "semantic": ("classes", "confusion", "latency_ms"),
    "prefix": ("thresholds", "imbalance"),
}
"""What each router takes."""
_LISTS = ("thresholds", "gammas", "never", "classes")

Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Probability = Annotated[float, Field(ge=0, le=1)]


class RouterStatement(Stated):
    """A router; as a text, its name and parameters: 'compress:gamma=1.5,success=0.9'."""

    name: RouterName = "length"
    """Which router."""
    thresholds: tuple[Tokens, ...] = ()
    """length, spillover, prefix, compress: total lengths at which the pools split, ascending; the
    context windows if absent, and for compress `threshold`."""
    gammas: tuple[Annotated[float, Field(ge=1, le=1000)], ...] = ()
    """compress: the factor at each of the thresholds; `gamma` for all if absent."""
    threshold: Tokens | None = None
    """compress: length to which prompts are cut; the shortest context window if absent."""
    gamma: float = Field(default=1.5, ge=1, le=1000)
    """compress: requests of up to gamma times the threshold are cut."""
    never: tuple[str, ...] = ("code",)
    """compress: categories that are not cut."""
    success: Probability = 1.0
    """compress: probability that a cut reaches its goal."""
    latency_ms: float | None = Field(default=None, ge=0)
    """compress, semantic: what the router adds to a request; 3 ms and 0 ms if absent."""
    by_replicas: bool = False
    """random: whether a pool is as likely as it has replicas."""
    pressure: float = Field(default=1.0, gt=0)
    """spillover: sequences over those that run at once, above which requests overflow."""
    imbalance: int = Field(default=8, ge=0)
    """prefix: sequences by which the replica with the prefix may exceed the emptiest."""
    pools: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """model: pools of each model; a model that is not here has those of its own name."""
    fallback: str = ""
    """model: pool of models that have none; they are turned away if absent."""
    classes: tuple[str, ...] = ()
    """semantic: the pool of each category, in the order of the traffic's categories."""
    confusion: tuple[tuple[Probability, ...], ...] = ()
    """semantic: rows of the true category, columns of the one found; perfect if absent."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, stated: Any) -> Any:
        if isinstance(stated, str):
            stated = router_keys(stated)
        if isinstance(stated, dict) and isinstance(stated.get("name"), str):
            stated = {**stated, "name": _known(stated["name"])}
            faults = [*_foreign(stated), *_doubled(stated)]
            if faults:
                raise FaultsError(faults)
        return stated

    @model_validator(mode="after")
    def _rows_are_shares(self) -> RouterStatement:
        faults = [
            Fault(f"confusion[{i}]", f"a row must sum to 1, got {sum(row):g}")
            for i, row in enumerate(self.confusion)
            if abs(sum(row) - 1.0) > 1e-9
        ]
        faults += [
            Fault(f"confusion[{i}]", f"expected {len(self.classes)} shares, got {len(row)}")
            for i, row in enumerate(self.confusion)
            if self.classes and len(row) != len(self.classes)
        ]
        if faults:
            raise FaultsError(faults)
        return self

    @property
    def text(self) -> str:
        """The router as a user writes it, with what differs from its defaults."""
        said = self.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        pairs = [f"{key}={_written(value)}" for key, value in said.items()]
        return self.name + (f":{','.join(pairs)}" if pairs else "")


def pools_named(router: Any) -> list[tuple[str, str]]:
    """Every pool that a router names, with the key that names it; faulty keys name none."""
    if isinstance(router, RouterStatement):
        router = router.model_dump()
    if isinstance(router, str):
        router = {"fallback": router.partition("fallback=")[2].partition(",")[0].strip()}
    if not isinstance(router, dict):
        return []
    pools, classes = router.get("pools"), router.get("classes")
    named = [
        (f"pools.{model}[{i}]", pool)
        for model, members in (pools.items() if isinstance(pools, dict) else ())
        for i, pool in enumerate(members if isinstance(members, list | tuple) else ())
    ]
    listed = classes if isinstance(classes, list | tuple) else ()
    named += [(f"classes[{i}]", pool) for i, pool in enumerate(listed)]
    named += [("fallback", router["fallback"])] if router.get("fallback") else []
    return [(key, pool) for key, pool in named if isinstance(pool, str)]


def router_keys(text: str) -> dict[str, Any]:
    """The keys of a router that is stated as a text. Raises ValueError."""
    name, colon, rest = text.partition(":")
    keys: dict[str, Any] = {"name": name.strip()}
    for part in rest.split(",") if colon else []:
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not (key and sign and value) or key in keys:
            raise ValueError(f"expected a router such as compress:gamma=1.5, got {text!r:.60}")
        keys[key] = value.split("/") if key in _LISTS else value
    return keys


def _known(name: str) -> str:
    plain = name.strip().lower().replace("_", "-")
    return _ALIASES.get(plain.replace("-", ""), plain)


def _foreign(keys: dict[str, Any]) -> list[Fault]:
    """Parameters that a router does not take."""
    name = keys["name"]
    if name not in PARAMETERS:
        return []
    takes = PARAMETERS[name]
    hint = "it takes no parameters" if not takes else ""
    return [
        Fault(key, f"the {name} router has no such parameter", hint or near(key, takes))
        for key in keys
        if key != "name" and key not in takes
    ]


def _doubled(keys: dict[str, Any]) -> list[Fault]:
    """Keys of the compressing router that say the same, and factors without a threshold each."""
    faults = [
        Fault(one, f"{one} stands beside {many}", "leave one of the two out")
        for one, many in (("threshold", "thresholds"), ("gamma", "gammas"))
        if keys.get(one) is not None and keys.get(many)
    ]
    given, factors = keys.get("thresholds") or (), keys.get("gammas") or ()
    are_lists = isinstance(given, list | tuple) and isinstance(factors, list | tuple)
    if are_lists and factors and len(given) != len(factors):
        text = f"expected a factor for each of {len(given)} thresholds, got {len(factors)}"
        faults.append(Fault("gammas", text))
    return faults


def _written(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)
