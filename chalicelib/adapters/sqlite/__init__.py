"""The log and its rows in one SQLite file."""
