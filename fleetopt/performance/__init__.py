"""Performance of one replica: profiles, memory, power."""
