"""The compiled simulator of a fleet: pools of replicas behind a router, with failures.

It runs each replica by epochs as `kernel` does. Where sequences take KV blocks as they
grow, an epoch also ends before the iteration for which the blocks do not suffice: each
decoding sequence takes a block every `block_tokens` iterations, so counts of sequences by
phase tell when. Events at the same instant come in this order: iteration ends (lowest
replica first), KV that lands (lowest line first), failures and repairs, timeouts, arrivals.
The plain twin in `fleet_reference` walks every iteration and agrees bit for bit.

A fleet without links passes None for them, for which numba compiles the loop without their
code: with it, the same fleet ran at 0.68 of the speed.
"""

from fleetopt.simulation.fleet_kernel.running import is_compiled as is_compiled
from fleetopt.simulation.fleet_kernel.running import run_fleet as run_fleet
