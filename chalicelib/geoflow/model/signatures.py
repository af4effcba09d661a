"""How bodies of webhooks are signed: HMAC-SHA256 over the time and the body."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

SIGNATURE_HEADER: Final = "X-Webhook-Signature"
"""Header of the signature, ``t=<seconds>,v1=<hex>``."""


def signature(secret: str, body: bytes, at_s: int) -> str:
    """Return the header for a body that is sent ``at_s`` seconds after the Unix epoch."""
    signed = f"{at_s}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"
