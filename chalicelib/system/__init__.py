"""A second app on the same engine: what the CLI asks of a deployment, for admins only."""

WIRE_PREFIX = "_system/"
