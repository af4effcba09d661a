"""The ports of sessions and subscriptions, call by call and item by item."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from typing_extensions import override

from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.log import IndexKey
from chalicelib.engine.ports import Acquired, Frame, Lease, Subscription, roster_shard
from chalicelib.engine.sync.subscriptions import in_order
from tests.simulation.faults import HABITS
from tests.simulation.world import World

T = TypeVar("T")


class SlowSessions:
    """Sessions in memory; each call takes a while, there and back."""

    def __init__(self, world: World) -> None:
        self._world, self.inner = world, MemorySessions()

    def _call(self, effect: Callable[[], T]) -> T:
        self._world.pause()
        done = effect()
        self._world.pause()
        return done

    def acquire(
        self,
        connection: str,
        owner: str,
        *,
        now_ms: float,
        deadline_ms: float,
        wake_ts: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Acquired:
        """Take the lease if it is free."""

        def effect() -> Acquired:
            if self.inner.raise_wake(connection, 0).owner is None:
                self._world.desert()
            got = self.inner.acquire(
                connection, owner, now_ms=now_ms, deadline_ms=deadline_ms, wake_ts=wake_ts
            )
            if got.mine:
                self._world.safe()
            return got

        return self._call(effect)

    def raise_wake(self, connection: str, wake_ts: int) -> Lease:
        """Raise ``wake_ts``."""
        lease = self._call(lambda: self.inner.raise_wake(connection, wake_ts))
        if wake_ts:
            self._world.desert()
        return lease

    def leave(self, connection: str, frame: Frame) -> None:
        """Put a frame into the inbox."""

        def effect() -> None:
            self.inner.leave(connection, frame)
            self._world.safe()

        self._call(effect)

    def raise_left(self, connection: str) -> Lease:
        """Count one frame more."""
        return self._call(lambda: self.inner.raise_left(connection))

    def inbox(self, connection: str) -> list[Frame]:
        """Read the inbox."""
        return self._call(lambda: self.inner.inbox(connection))

    def drop_frames(self, connection: str, ids: Iterable[str]) -> None:
        """Remove frames one by one."""
        for one in list(ids):
            self._call(lambda one=one: self.inner.drop_frames(connection, [one]))  # type: ignore[misc]  # bound at once

    def state(self, connection: str) -> bytes:
        """Read the state item."""
        return self._call(lambda: self.inner.state(connection))

    def write_state(self, connection: str, state: bytes) -> None:
        """Write the state item."""
        self._call(lambda: self.inner.write_state(connection, state))

    def release(self, connection: str, owner: str, lease: Lease, *, final: bool) -> bool:
        """Save and give back the lease."""
        return self._call(lambda: self.inner.release(connection, owner, lease, final=final))

    def condemn(self, connection: str) -> None:
        """Mark the session dead."""

        def effect() -> None:
            self.inner.condemn(connection)
            self._world.safe()

        self._call(effect)

    def bury(self, connection: str) -> None:
        """Remove what a condemned session left."""
        self._call(lambda: self.inner.bury(connection))

    def enlist(self, connection: str, session: str, number: int) -> list[str]:
        """Record whose connection this is."""
        return self._call(lambda: self.inner.enlist(connection, session, number))

    def is_enlisted(self, connection: str) -> bool:
        """Tell whether the tick visits a session."""
        roster = self.inner.roster(roster_shard(connection))
        return connection in [name for name, _ in roster]

    def roster(self, shard: int) -> list[tuple[str, Lease]]:
        """Read one part of the roster."""
        return self._call(lambda: self.inner.roster(shard))

    def leases(self, connections: Sequence[str]) -> dict[str, Lease]:
        """Read several leases, which may change on the way back."""
        return self._call(lambda: self.inner.leases(connections))


class InOrder(set[str]):
    """A set that is iterated in one order, whatever the process."""

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__()))


class SlowSubscriptions:
    """Subscriptions in memory, written and looked up one by one."""

    def __init__(self, world: World) -> None:
        self._world, self.inner = world, MemorySubscriptions()
        self._held: dict[str, set[Subscription]] = {}

    def _each(self, items: Iterable[T], effect: Callable[[T], None]) -> None:
        for item in items:
            self._world.pause()
            effect(item)
        self._world.pause()

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Record subscriptions."""

        def effect(one: Subscription) -> None:
            self.inner.add([one])
            self._held.setdefault(one.connection, set()).add(one)

        self._each(subscriptions, effect)

    def remove(self, subscriptions: Sequence[Subscription]) -> None:
        """Forget subscriptions."""

        def effect(one: Subscription) -> None:
            self.inner.remove([one])
            self._held.get(one.connection, set()).discard(one)

        self._each(subscriptions, effect)

    def held(self, connection: str) -> set[Subscription]:
        """All rows of a connection as they are."""
        return self._held.get(connection, set())

    def remove_all(self, connection: str) -> None:
        """Forget a connection's subscriptions as they were when this began."""
        self._world.pause()
        self.remove(in_order(self._held.get(connection, ())))

    def match(self, keys: Iterable[IndexKey], *, newest: bool = True) -> set[str]:
        """Look the keys up one after another; an old reading may miss somebody."""
        found = InOrder()
        self._each(sorted(set(keys)), lambda key: found.update(self.inner.match([key])))
        if found and not newest and self._world.chance(HABITS.old_read):
            found.discard(self._world.random.choice(sorted(found)))
        return found
