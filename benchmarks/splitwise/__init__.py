"""The Azure cases of Splitwise (Patel et al., ISCA 2024, arXiv:2311.18677), simulated."""
