"""The trial one version later: the same tables, with one more index."""
