"""Sockets: what goes up and down them, and what becomes of that when they die."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.engine.errors import ConnectionGone, PostUnanswered
from chalicelib.engine.ports import Frame
from tests.simulation.faults import HABITS
from tests.simulation.properties import Broken, Property
from tests.simulation.story import received, sent
from tests.simulation.world import World


class Listener(Protocol):
    """The client's end of a socket."""

    def hear(self, connection: str, data: bytes) -> None:
        """Take a message."""
        ...

    def closed(self, connection: str) -> None:
        """Learn that the socket was closed."""
        ...


MOST_UNSENT = 2
"""Transitions that a client may leave untaken. Source: docs/protocol.md 4.5."""

_TRANSITION = b'{"type":"Transition",'


@dataclass(slots=True, eq=False)
class Socket:
    """One socket. ``cut_ms`` is when it died; what would arrive later does not."""

    connection: str
    listener: Listener
    open: bool = True
    cut_ms: float = float("inf")
    heard_ms: float = 0
    stamp_ms: float = 0
    sent_ms: float = 0
    sent: int = 0
    begun: int = 0
    lost_from: int = 1 << 30
    waiting: list[tuple[Frame, Callable[[], bool]]] = field(default_factory=list)
    busy: bool = False
    unsent: int = 0
    unsent_transitions: int = 0
    was_asked: bool = False


class Gateway:
    """The port of sending, and the way up for frames."""

    def __init__(
        self, world: World, handle: Callable[[str, Frame, Callable[[], bool]], None]
    ) -> None:
        self._world, self._handle = world, handle
        self.sockets: dict[str, Socket] = {}
        self.disconnected: Callable[[str], None] = lambda _: None
        self.drained: Callable[[str], None] = lambda _: None

    def open(self, connection: str, listener: Listener) -> None:
        """Open a socket."""
        self.sockets[connection] = Socket(connection, listener)

    def send_up(self, connection: str, body: bytes) -> None:
        """Take a frame of a client: stamped in order, handled whenever."""
        socket, world = self.sockets[connection], self._world
        # Whole milliseconds, as the gateway gives them. What is sent at once may tie, as in an
        # opening burst; that other frames do, with the kinds in doubt, is a risk that remains.
        apart_ms = int(world.now_ms != socket.sent_ms)
        socket.stamp_ms = max(socket.stamp_ms + apart_ms, float(int(world.now_ms)))
        socket.sent_ms = world.now_ms
        number = socket.sent
        socket.sent += 1
        frame = Frame(f"{world.random.randrange(1 << 20)}-{number}", socket.stamp_ms, body)

        def begin() -> bool:
            if number >= socket.lost_from:
                return False
            socket.begun = max(socket.begun, number + 1)
            return True

        world.note(sent(connection, body))
        self._handle(connection, frame, begin)

    def cut(self, connection: str) -> None:
        """Let a socket die: of what is under way up, the gateway has received a prefix."""
        socket, world = self.sockets[connection], self._world
        if not socket.open:
            return
        socket.open, socket.cut_ms = False, world.now_ms
        socket.lost_from = world.random.randint(socket.begun, socket.sent)
        lost = socket.sent - socket.lost_from
        world.note(f"{connection} is cut; of what it sent last, {lost} messages are lost")
        if not world.chance(HABITS.lost_disconnect):
            world.at(world.between((0, 400)), lambda: self.disconnected(connection))

    def post(self, connection: str, data: bytes) -> None:
        """Send one message down."""
        world, socket = self._world, self.sockets.get(connection)
        world.pause(errors=False)
        world.sleep(world.between(world.profile.post_ms))
        if socket is None or not socket.open:
            raise ConnectionGone("simulated")
        unanswered = world.strikes("lost_post")
        if not unanswered or world.chance(HABITS.post_arrives):
            self._send_down(socket, data)
        if unanswered:
            raise PostUnanswered("simulated")
        world.pause(errors=False)

    def offer(self, connection: str, data: bytes) -> bool:
        """Send one message down, if there is room."""
        if self._world.strikes("full"):
            self._world.pause(errors=False)
            return False
        self.post(connection, data)
        return True

    def _send_down(self, socket: Socket, data: bytes) -> None:
        world = self._world
        world.note(received(socket.connection, data))
        if len(data) > world.profile.max_message_bytes:
            why = f"a message of {len(data)} bytes for {socket.connection}"
            raise Broken(Property.PROTOCOL, why)
        if world.profile.take_ms is None:
            socket.heard_ms = max(socket.heard_ms, world.now_ms + world.between((0, 15)))
        else:
            taken_ms = world.between(world.profile.take_ms)
            socket.heard_ms = max(socket.heard_ms, world.now_ms) + taken_ms
        is_transition = data.startswith(_TRANSITION)
        socket.unsent += 1
        socket.unsent_transitions += is_transition
        if world.profile.take_ms is not None and socket.unsent_transitions > MOST_UNSENT:
            raise Broken(
                Property.BUFFER,
                f"{socket.unsent_transitions} transitions wait for {socket.connection}",
            )

        def arrive() -> None:
            socket.unsent -= 1
            socket.unsent_transitions -= is_transition
            if not socket.unsent and socket.was_asked:
                socket.was_asked = False
                self.drained(socket.connection)
            if world.now_ms <= socket.cut_ms:
                socket.listener.hear(socket.connection, data)

        world.at(socket.heard_ms - world.now_ms, arrive)

    def unsent(self, connection: str) -> int:
        """How many messages a client has not taken, in worlds whose gateway knows that."""
        socket = self.sockets.get(connection)
        if socket is None or self._world.profile.take_ms is None:
            return 0
        socket.was_asked = socket.unsent > 0
        return socket.unsent

    def delay(self, duration_ms: float) -> None:
        """Let what is under way down arrive that much later; what follows does not overtake it."""
        for socket in self.sockets.values():
            socket.heard_ms += duration_ms

    def close(self, connection: str, code: int, reason: str) -> None:
        """Close a socket from this side."""
        world, socket = self._world, self.sockets.get(connection)
        world.pause(errors=False)
        unanswered = world.strikes("lost_post")
        if (
            socket is not None
            and socket.open
            and (not unanswered or world.chance(HABITS.post_arrives))
        ):
            world.note(f"{connection} is closed: {code} {reason}")
            socket.open = False
            if world.chance(HABITS.deaf_close):
                socket.cut_ms = world.now_ms
            world.at(
                max(0, socket.heard_ms - world.now_ms) + 1,
                lambda: socket.listener.closed(connection),
            )
        if unanswered:
            raise PostUnanswered("simulated")
        world.pause(errors=False)
