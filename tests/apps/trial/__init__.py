"""Small functions, each of which shows one thing that the engine does."""
