"""Functions that schedule functions, and leave a note of each run."""
