"""Time and chance of the machine."""

import os
import time

from typing_extensions import override

from chalicelib.engine.ports import Clock, Ids


class SystemClock(Clock):
    """The machine's clock."""

    @override
    def now_ms(self) -> float:
        """Milliseconds since the Unix epoch, with a fraction."""
        return time.time() * 1000

    @override
    def wait_ms(self, duration_ms: float) -> None:
        """Return after about ``duration_ms``; at once if that is not above 0."""
        if duration_ms > 0:
            time.sleep(duration_ms / 1000)


class SystemIds(Ids):
    """The machine's chance.

    Read anew for each name: a process that was restored from a snapshot, as Lambda does it,
    must not repeat what another one said.
    """

    @override
    def transaction_id(self) -> str:
        """32 hexadecimal digits: 128 bits of chance."""
        return os.urandom(16).hex()

    @override
    def seed(self) -> bytes:
        """16 bytes of chance."""
        return os.urandom(16)
