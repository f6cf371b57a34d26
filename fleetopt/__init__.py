"""fleetopt designs GPU fleets that serve large language models."""
