"""Keys that go with the process, for tests."""

import os

from chalicelib.adapters.envelope import KEY_BYTES, EnvelopeBox, HeldKeys


def memory_secrets() -> EnvelopeBox:
    """Return a box whose one key nobody else will ever have."""
    return EnvelopeBox(HeldKeys({"memory": os.urandom(KEY_BYTES)}))
