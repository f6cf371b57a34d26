"""The published tool's Python names over fleetopt's own objects.

A script of its users changes its import line to `from fleetopt.compat import ...`. The page
"Coming from vllm-sr-sim" of the manual says which answers change, and why.
"""

from fleetopt.compat.computed import A100_SXM as A100_SXM
from fleetopt.compat.computed import B200_SXM as B200_SXM
from fleetopt.compat.computed import DEEPSEEK_V3 as DEEPSEEK_V3
from fleetopt.compat.computed import H100_SXM as H100_SXM
from fleetopt.compat.computed import H200_SXM as H200_SXM
from fleetopt.compat.computed import L40S as L40S
from fleetopt.compat.computed import LLAMA_3_1_8B as LLAMA_3_1_8B
from fleetopt.compat.computed import LLAMA_3_1_70B as LLAMA_3_1_70B
from fleetopt.compat.computed import LLAMA_3_1_405B as LLAMA_3_1_405B
from fleetopt.compat.computed import MISTRAL_7B as MISTRAL_7B
from fleetopt.compat.computed import MIXTRAL_8X7B as MIXTRAL_8X7B
from fleetopt.compat.computed import QWEN3_8B as QWEN3_8B
from fleetopt.compat.computed import QWEN3_30B_A3B as QWEN3_30B_A3B
from fleetopt.compat.computed import QWEN3_32B as QWEN3_32B
from fleetopt.compat.computed import QWEN3_235B_A22B as QWEN3_235B_A22B
from fleetopt.compat.computed import ComputedProfile as ComputedProfile
from fleetopt.compat.computed import ProfileBuilder as ProfileBuilder
from fleetopt.compat.computed import ServingConfig as ServingConfig
from fleetopt.compat.disaggregation import ALPHA_DEC as ALPHA_DEC
from fleetopt.compat.disaggregation import ALPHA_PRE as ALPHA_PRE
from fleetopt.compat.disaggregation import BETA_TTFT as BETA_TTFT
from fleetopt.compat.disaggregation import DisaggFleetOptimizer as DisaggFleetOptimizer
from fleetopt.compat.energy import fleet_tpw_analysis as fleet_tpw_analysis
from fleetopt.compat.energy import grid_flex_analysis as grid_flex_analysis
from fleetopt.compat.energy import print_fleet_tpw as print_fleet_tpw
from fleetopt.compat.energy import print_grid_flex_table as print_grid_flex_table
from fleetopt.compat.energy import print_tpw_table as print_tpw_table
from fleetopt.compat.energy import tpw_analysis as tpw_analysis
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
from fleetopt.problem import AVAILABILITIES as _AVAILABILITIES
from fleetopt.problem import node_availability as node_availability

A100_AVAIL_RSC1_FAST = _AVAILABILITIES["A100_AVAIL_RSC1_FAST"]
"""A100 of Meta's RSC-1, 6.5 failures in 1000 node-days, repaired in 4 h (arXiv:2410.21680)."""
A100_AVAIL_RSC1_SLOW = _AVAILABILITIES["A100_AVAIL_RSC1_SLOW"]
"""The same, repaired in 48 h."""
H100_AVAIL_5PCT = _AVAILABILITIES["H100_AVAIL_5PCT"]
"""H100 at scale, 5 % more than needed (Cui et al., arXiv:2503.11901)."""

__all__ = [
    "A10G",
    "A100_80GB",
    "A100_AVAIL_RSC1_FAST",
    "A100_AVAIL_RSC1_SLOW",
    "A100_SXM",
    "ALPHA_DEC",
    "ALPHA_PRE",
    "B200_SXM",
    "BETA_TTFT",
    "DEEPSEEK_V3",
    "H100_80GB",
    "H100_AVAIL_5PCT",
    "H100_SXM",
    "H200_SXM",
    "L40S",
    "LLAMA_3_1_8B",
    "LLAMA_3_1_70B",
    "LLAMA_3_1_405B",
    "MISTRAL_7B",
    "MIXTRAL_8X7B",
    "QWEN3_8B",
    "QWEN3_30B_A3B",
    "QWEN3_32B",
    "QWEN3_235B_A22B",
    "CdfWorkload",
    "ComputedProfile",
    "DisaggFleetOptimizer",
    "Fleet",
    "FleetConfig",
    "FleetOptimizer",
    "ManualProfile",
    "PoissonWorkload",
    "PoolConfig",
    "ProfileBuilder",
    "ServingConfig",
    "TraceWorkload",
    "fleet_tpw_analysis",
    "grid_flex_analysis",
    "node_availability",
    "print_fleet_tpw",
    "print_grid_flex_table",
    "print_tpw_table",
    "split_cdf",
    "threshold_pareto",
    "tpw_analysis",
]
