"""Reads what geodata is in a file, in a process of its own (``inspection.py``).

The libraries that do it are heavy and optional (``requirements-geo.txt``): modules here that
import them are imported in that process only.
"""
