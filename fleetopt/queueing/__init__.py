"""The feasibility table: Erlang-C with state-dependent rates, latency percentiles."""
