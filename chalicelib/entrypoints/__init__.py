"""Plain functions from events to replies: they decode, call the backend, and encode."""
