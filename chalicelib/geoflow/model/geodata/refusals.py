"""Why there is nothing to tell of a file."""

from __future__ import annotations


class Unreadable(Exception):
    """The file is no geodata that can be read here; the message tells its owner why."""
