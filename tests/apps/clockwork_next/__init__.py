"""The clockwork's next version: other crons over the same table."""
