"""The event-driven simulator: replicas run iterations; it knows nothing of the tables."""
