"""Functions a level further down."""
