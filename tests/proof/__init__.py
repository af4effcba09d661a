"""What is proved, run with a budget and told as tables: ``make proof`` (docs/correctness.md)."""
