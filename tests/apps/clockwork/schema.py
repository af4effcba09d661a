"""One table: which cron ran, and when."""

from __future__ import annotations

from chalicelib.engine.server import Document


class Tick(Document, table="ticks"):
    """One run."""

    name: str
    at: float
