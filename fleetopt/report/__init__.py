"""Reports: plans and tables as text, JSON and CSV."""
