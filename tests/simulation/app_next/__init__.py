"""The app after a deployment that adds an index."""
