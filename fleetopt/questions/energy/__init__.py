"""What fleets draw: tokens per watt, and how much power can be shed."""
