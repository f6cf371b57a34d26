"""The mathematical program: candidates, sets, constraints, and the seam to the solver."""
