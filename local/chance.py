"""The machine's chance, many names' worth at a time: each reading lets other threads run."""

import os
import threading
from typing import Final

POOL_BYTES: Final = 4096


class ChancePool:
    """Bytes that nobody can guess, each given to one caller."""

    def __init__(self) -> None:
        self._lock, self._pool, self._used = threading.Lock(), b"", POOL_BYTES

    def take(self, size: int) -> bytes:
        """``size`` bytes that were given to nobody else; at most ``POOL_BYTES``."""
        with self._lock:
            if self._used + size > POOL_BYTES:
                self._pool, self._used = os.urandom(POOL_BYTES), 0
            self._used += size
            return self._pool[self._used - size : self._used]
