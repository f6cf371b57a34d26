"""Workloads: length distributions and arrival processes."""
