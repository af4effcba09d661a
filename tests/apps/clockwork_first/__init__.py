"""The first crons of the clockwork."""
