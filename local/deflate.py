"""permessage-deflate that costs an idle socket nothing, and a small message neither."""

from collections.abc import Sequence
from typing import Final

from typing_extensions import override
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionParameter

COMPRESS_FROM_BYTES: Final = 32 * 1024
"""Smallest message that is sent compressed.

Deflating costs about 10 µs a KiB; below this size the network is faster.
"""


class SparingDeflate(PerMessageDeflate):
    """Reads what clients compress, and compresses only what is large and in one frame.

    RFC 7692, section 6, leaves it to the sender which messages it compresses.
    """

    @override
    def encode(self, frame: Frame) -> Frame:
        whole = frame.opcode is not Opcode.CONT and frame.fin
        if not whole or len(frame.data) < COMPRESS_FROM_BYTES:
            return frame
        return super().encode(frame)


class SparingDeflateFactory(ServerPerMessageDeflateFactory):
    """Accepts permessage-deflate without context takeover on either side.

    A context would hold some 50 KB per socket, in use or not.
    """

    def __init__(self) -> None:
        super().__init__(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            compress_settings={"level": 1},
        )

    @override
    def process_request_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        response, plain = super().process_request_params(params, accepted_extensions)
        return response, SparingDeflate(
            plain.remote_no_context_takeover,
            plain.local_no_context_takeover,
            plain.remote_max_window_bits,
            plain.local_max_window_bits,
            plain.compress_settings,
        )
