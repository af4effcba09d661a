"""The crons of the next version of the clockwork, over the same table and functions."""
