"""What crons run, and one table; the crons of its versions are apps beside it."""
