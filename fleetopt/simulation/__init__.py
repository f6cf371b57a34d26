"""The event-driven simulator: replicas run iterations; it knows nothing of the tables."""

COMPILING = "compiling the simulator, once; this takes some seconds"
"""What the first run ever says."""
