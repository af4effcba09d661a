"""Requests that a client may repeat, and what was answered to them."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import Document, index, indexed


class KeptRequest(Document, table="keptRequests", undone=False):
    """A request that came with an ``Idempotency-Key``; no client reads this table.

    ``digest`` names caller and key, ``fingerprint`` is of all that the request says. ``data`` is
    the JSON that was answered, null if that is kept nowhere. Gone after ``expires``, in ms.
    """

    digest: str = indexed()
    fingerprint: str
    state: Literal["running", "done"]
    data: str | None = None
    expires: float = indexed()
    by_digest = index(digest)
    by_expires = index(expires)
