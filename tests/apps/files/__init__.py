"""Stored files: everything that a function may do with them."""
