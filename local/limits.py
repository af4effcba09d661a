"""What the local gateway refuses: the numbers of API Gateway and Lambda, and our own."""

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The sizes in bytes and times in seconds that a gateway enforces; None is no limit."""

    message_bytes: int
    """Largest message that a client may send; larger closes the socket with 1009."""

    frame_bytes: int | None
    """Largest frame of such a message, decompressed; ours are cut to it, too."""

    post_bytes: int | None
    """Largest message that may be posted to a socket."""

    request_bytes: int
    """Largest body of an HTTP request; larger is answered 413."""

    event_bytes: int | None
    """Largest body inside an event, in the encoding that the event carries it in."""

    response_bytes: int | None
    """Largest body that a handler may answer an HTTP request with; larger becomes 502."""

    integration_s: float
    """How long the gateway waits for a handler before it answers on its behalf."""

    idle_s: float | None
    """How long a socket may be silent in both directions."""

    lifetime_s: float | None
    """How long a socket may be open."""


AWS: Final = Limits(
    message_bytes=128 * KIB,
    frame_bytes=32 * KIB,
    post_bytes=128 * KIB,
    request_bytes=10 * MIB,
    event_bytes=6 * MIB,
    response_bytes=6 * MIB,
    integration_s=29,
    idle_s=600,
    lifetime_s=7200,
)
"""What a deployment enforces.

Source: quotas of API Gateway (WebSocket and REST) and of Lambda's synchronous payload.
"""

LOCAL: Final = Limits(
    message_bytes=64 * MIB,
    frame_bytes=None,
    post_bytes=None,
    request_bytes=20 * MIB,
    event_bytes=None,
    response_bytes=None,
    integration_s=600,
    idle_s=None,
    lifetime_s=None,
)
"""What one process on a laptop can carry: as generous as the server that clients know.

Source: docs/protocol.md 4.1 (64 MiB a message); an action may run for ten minutes.
"""

OUTGOING_BYTES: Final = 64 * MIB
"""What may wait for one client; a client that is further behind is cut off.

A mutation may answer 16 MiB, and the transition that follows it may be as long.
"""

HELD_BYTES: Final = 512 * MIB
"""What the bodies of all HTTP requests under way may take; further ones are answered 503.

Those of files are not among them: they are streamed.
"""

OPEN_BYTES: Final = 64 * MIB
"""What the messages of one socket under way may take until it is not read any more."""

MAX_MESSAGES: Final = 200_000
"""Messages that a queue in this process keeps; more are refused, and their senders try again."""

DRAIN_S: Final = 10.0
"""How long a client may leave its transport's buffer full before it is cut off."""
