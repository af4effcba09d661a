"""Functions that every deployment has, under ``_system/``: what the engine itself commits."""

WIRE_PREFIX = "_system/"
