"""Where the frames of a WebSocket begin and end, in one direction of its connection."""

from __future__ import annotations

from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_SHORT: Final = 2
_EXTENDED: Final = {126: 2, 127: 8}
_MASK: Final = 0x80
_MASK_BYTES: Final = 4


class Frames:
    """Follows the bytes of one direction. Before the frames comes the head of the handshake."""

    def __init__(self) -> None:
        self._in_head, self._pending, self._left = True, b"", 0

    def inner(self, data: bytes) -> list[int]:
        """Take the next bytes; return the places in them that are within a frame."""
        bounds = set[int]()
        at = self._past_head(data)
        while at < len(data):
            if self._left == 0 and not self._pending:
                bounds.add(at)
            at = self._past_frame(data, at)
        ends_whole = self._left == 0 and not self._pending
        return [
            place
            for place in range(self._frames_from, len(data) + (not ends_whole))
            if place not in bounds and place > 0
        ]

    def _past_head(self, data: bytes) -> int:
        self._frames_from = 0
        if not self._in_head:
            return 0
        before = len(self._pending)
        end = (self._pending + data).find(_HEAD_END)
        if end < 0:
            self._pending = (self._pending + data)[-len(_HEAD_END) + 1 :]
            self._frames_from = len(data) + 1
            return len(data)
        self._in_head, self._pending = False, b""
        self._frames_from = end + len(_HEAD_END) - before
        return self._frames_from

    def _past_frame(self, data: bytes, at: int) -> int:
        """Go on in a frame, as far as it or the data goes."""
        if self._left == 0:
            self._pending += data[at : at + 1]
            length = _whole_length(self._pending)
            if length is not None:
                self._left, self._pending = length, b""
            return at + 1
        step = min(self._left, len(data) - at)
        self._left -= step
        return at + step


def _whole_length(header: bytes) -> int | None:
    """Length of what follows a header; None while the header is not complete."""
    if len(header) < _SHORT:
        return None
    short = header[1] & ~_MASK
    extended = _EXTENDED.get(short, 0)
    masked = _MASK_BYTES if header[1] & _MASK else 0
    if len(header) < _SHORT + extended + masked:
        return None
    return int.from_bytes(header[2 : 2 + extended], "big") if extended else short
