"""Transactions over a log: snapshot, read set, write set, commit."""
