"""An app with crons of every kind."""
