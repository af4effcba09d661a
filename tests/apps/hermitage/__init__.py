"""An app of one table, whose functions do what a test hands them, step by step."""
