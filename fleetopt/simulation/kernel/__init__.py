"""The compiled simulator of one pool, and the parts that the fleet's is built of as well.

Each replica runs epochs: stretches of iterations over which its batch composition stays
the same. Within an epoch the context grows linearly, so the end of any iteration has a
closed form and the kernel jumps to the next one at which something changes. The plain
twin in `reference` walks every iteration with the same arithmetic and agrees bit for bit.
"""

from fleetopt.simulation.kernel.running import is_compiled as is_compiled
from fleetopt.simulation.kernel.running import run_pool as run_pool
