"""The published scenarios, computed again: by the published method, the table and the simulator."""
