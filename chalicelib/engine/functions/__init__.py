"""Functions: how they are declared, found, checked and run."""
