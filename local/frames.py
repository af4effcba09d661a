"""Text frames as they are, in one piece (RFC 6455, section 5.2).

Most of what the server says is one short message for each of many sockets: to have a protocol
object make a frame of it, and its extensions look at it, takes as long as the rest of it.
"""

import struct
from typing import Final

_WHOLE_TEXT: Final = 0x81
"""Final fragment, and the opcode of a text."""

_TWO_BYTES, _EIGHT_BYTES = 126, 127  # what follows instead of a length that is no smaller
_two: Final = struct.Struct("!BBH").pack
_eight: Final = struct.Struct("!BBQ").pack


def text_frame(data: bytes) -> bytes:
    """One unmasked frame with the whole of a text, as a server sends it."""
    size = len(data)
    if size < _TWO_BYTES:
        return bytes((_WHOLE_TEXT, size)) + data
    if size < 1 << 16:
        return _two(_WHOLE_TEXT, _TWO_BYTES, size) + data
    return _eight(_WHOLE_TEXT, _EIGHT_BYTES, size) + data
