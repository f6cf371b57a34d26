"""The published tool's Python names over fleetopt's own objects.

A script of its users changes its import line to `from fleetopt.compat import ...`. The page
"Coming from vllm-sr-sim" of the manual says which answers change, and why.
"""

from typing import Any

from fleetopt.compat.disaggregation import ALPHA_DEC as ALPHA_DEC
from fleetopt.compat.disaggregation import ALPHA_PRE as ALPHA_PRE
from fleetopt.compat.disaggregation import BETA_TTFT as BETA_TTFT
from fleetopt.compat.disaggregation import DisaggFleetOptimizer as DisaggFleetOptimizer
from fleetopt.compat.fleet import Fleet as Fleet
from fleetopt.compat.fleet import FleetConfig as FleetConfig
from fleetopt.compat.fleet import PoolConfig as PoolConfig
from fleetopt.compat.optimizer import FleetOptimizer as FleetOptimizer
from fleetopt.compat.profiles import A10G as A10G
from fleetopt.compat.profiles import A100_80GB as A100_80GB
from fleetopt.compat.profiles import H100_80GB as H100_80GB
from fleetopt.compat.profiles import ManualProfile as ManualProfile
from fleetopt.compat.thresholds import threshold_pareto as threshold_pareto
from fleetopt.compat.traces import TraceWorkload as TraceWorkload
from fleetopt.compat.workload import CdfWorkload as CdfWorkload
from fleetopt.compat.workload import PoissonWorkload as PoissonWorkload
from fleetopt.compat.workload import split_cdf as split_cdf
from fleetopt.queueing.availability import node_availability as node_availability

A100_AVAIL_RSC1_FAST = node_availability(0.0065, 4.0)
"""A100 of Meta's RSC-1, 6.5 failures in 1000 node-days, repaired in 4 h (arXiv:2410.21680)."""
A100_AVAIL_RSC1_SLOW = node_availability(0.0065, 48.0)
"""The same, repaired in 48 h."""
H100_AVAIL_5PCT = 0.95
"""H100 at scale, 5 % more than needed (Cui et al., arXiv:2503.11901)."""

__all__ = [
    "A10G",
    "A100_80GB",
    "A100_AVAIL_RSC1_FAST",
    "A100_AVAIL_RSC1_SLOW",
    "ALPHA_DEC",
    "ALPHA_PRE",
    "BETA_TTFT",
    "H100_80GB",
    "H100_AVAIL_5PCT",
    "CdfWorkload",
    "DisaggFleetOptimizer",
    "Fleet",
    "FleetConfig",
    "FleetOptimizer",
    "ManualProfile",
    "PoissonWorkload",
    "PoolConfig",
    "TraceWorkload",
    "node_availability",
    "split_cdf",
    "threshold_pareto",
]

_MISSING = (
    "ProfileBuilder ServingConfig fleet_tpw_analysis grid_flex_analysis "
    "print_fleet_tpw print_grid_flex_table print_tpw_table tpw_analysis "
    "A100_SXM H100_SXM H200_SXM B200_SXM L40S "
    "LLAMA_3_1_8B LLAMA_3_1_70B LLAMA_3_1_405B MISTRAL_7B MIXTRAL_8X7B "
    "QWEN3_8B QWEN3_32B QWEN3_30B_A3B QWEN3_235B_A22B DEEPSEEK_V3"
)
MISSING = frozenset(_MISSING.split())
"""Published names that this version does not have."""


def __getattr__(name: str) -> Any:
    if name in MISSING:
        raise ImportError(f"fleetopt.compat has no {name}: this version does not offer it")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
