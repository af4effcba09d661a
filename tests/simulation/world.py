"""Virtual time, and the seeded scheduler of everything that happens in it.

Each invocation is a greenlet. At every port call it goes to sleep for as long as the call takes,
so that others run meanwhile; whether it survives the call is decided there, too. All chance
follows from the seed, so that a seed replays exactly.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar
from zlib import crc32

from greenlet import getcurrent, greenlet

from chalicelib.engine.errors import StorageUnavailable
from tests.simulation.chance import Chance, Root
from tests.simulation.faults import HABITS, NONE, Faults, Range
from tests.simulation.profiles import Profile
from tests.simulation.properties import Broken, Property

BEGINNING_MS = 1.8e12

T = TypeVar("T")


class Killed(BaseException):
    """The invocation has ended here, at a port call, for whatever reason."""


@dataclass(slots=True, eq=False)
class Invocation:
    """One run of a handler. ``fragile`` ones may be killed; ``dead`` ones have been."""

    kind: str
    fragile: bool
    dead: bool = False
    ahead: bool = False
    """Whether it wakes others, ahead of the stream."""


class World:
    """The clock, the queue of what is to happen, and chance."""

    def __init__(self, seed: int, profile: Profile, root: Root = Chance) -> None:
        self._root = self.random = root(seed)
        self.profile = profile
        self.faults: Faults = NONE
        self.now_ms = BEGINNING_MS
        self.calm_ms = float("inf")
        self.stats: Counter[str] = Counter()
        self.digest = 0
        self.trace: Callable[[str], None] | None = None
        self.current: Invocation | None = None
        self._queue: list[tuple[float, int, bool, Chance, Callable[[], None]]] = []
        self._awaited = 0
        self._number = count()
        self._until_ms = BEGINNING_MS
        self._hub = getcurrent()
        self._broken: BaseException | None = None
        self._closed = False

    # -- what happens when ----------------------------------------------------------------

    def between(self, bounds: Range) -> float:
        """Draw a duration."""
        return bounds[0] + (bounds[1] - bounds[0]) * self.random.random()

    def chance(self, probability: float) -> bool:
        """Draw whether something happens; the calmest draw, 0, says no."""
        return probability > 0 and 1 - self.random.random() < probability

    def strikes(self, fault: str) -> bool:
        """Draw whether one of the profile's faults happens, and count it."""
        struck = self.chance(getattr(self.faults, fault))
        if struck:
            self.stats[fault] += 1
            who = self.current.kind if self.current is not None else "network"
            self.note(f"{who}: {fault.replace('_', ' ')}")
        return struck

    def at(
        self,
        delay_ms: float,
        happens: Callable[[], None],
        *,
        awaited: bool = True,
        chance: Chance | None = None,
    ) -> None:
        """Let something happen later. What is not ``awaited`` may be left over at the end.

        ``chance`` is what it draws from; without one it draws from where it came from.
        """
        self._awaited += awaited
        place = self.now_ms + delay_ms, next(self._number)
        heappush(self._queue, (*place, awaited, chance or self.random, happens))

    def cause(self, label: str, delay_ms: float, happens: Callable[[], None]) -> None:
        """Let something happen later that a run could do without."""
        chance = self.random.child(label)
        if not chance.is_dropped:
            self.at(delay_ms, happens, chance=chance)

    def run(self, duration_ms: float | None = None) -> None:
        """Let happen what does within a time; without one, until nothing is awaited."""
        self._until_ms = float("inf") if duration_ms is None else self.now_ms + duration_ms
        steps = 0
        while self._queue and self._queue[0][0] <= self._until_ms:
            if duration_ms is None and not self._awaited:
                break
            self.now_ms, _, awaited, self.random, happens = heappop(self._queue)
            self._awaited -= awaited
            happens()
            if self._broken is not None:
                raise self._broken
            steps += 1
            if steps > 200_000:
                raise Broken(Property.REST, "there is no end")
        self.random = self._root
        if duration_ms is not None:
            self.now_ms = self._until_ms

    def sleep_through(self, duration_ms: float, wake_ms: float) -> None:
        """Let everybody sleep where they are, and wake up ``wake_ms`` into the next day."""
        self.now_ms += duration_ms
        later_ms = duration_ms + wake_ms
        self._queue = [(at + later_ms, *rest) for at, *rest in self._queue]  # type: ignore[misc]  # still in order

    def begin(self) -> None:
        """Begin with the faults; there are none while a world is made."""
        self.faults = self.profile.faults

    def calm_down(self) -> None:
        """End all faults; the last that was frozen wakes up by ``calm_ms``."""
        self.faults = NONE
        self.calm_ms = self.now_ms + self.profile.faults.freeze_ms[1]

    def close(self) -> None:
        """End every invocation that is still under way."""
        self._closed = True
        self._queue.clear()

    def note(self, what: str) -> None:
        """Take something into the digest of this run, and into its trace."""
        line = f"{self.now_ms - BEGINNING_MS:12.3f} {what}"
        self.digest = crc32(line.encode(), self.digest)
        if self.trace is not None:
            self.trace(line)

    # -- invocations ----------------------------------------------------------------------

    def spawn(
        self,
        kind: str,
        body: Callable[[], None],
        *,
        delay_ms: float = 0,
        fragile: bool = True,
        killed: Callable[[], None] = lambda: None,
    ) -> Invocation:
        """Start an invocation later; ``killed`` is called if it does not end by itself."""
        invocation = Invocation(kind, fragile)

        def run() -> None:
            try:
                body()
            except Killed:
                if not self._closed:
                    killed()
            except BaseException as error:  # noqa: BLE001 - raised in the scheduler
                self._broken = error

        resumption = self._resumption(invocation, greenlet(run, self._hub))
        self.at(delay_ms, resumption, chance=self.random.child(kind))
        return invocation

    def _resumption(self, invocation: Invocation, thread: greenlet) -> Callable[[], None]:
        def resume() -> None:
            self.current = invocation
            thread.switch()
            self.current = None

        return resume

    def safe(self) -> None:
        """Let the current invocation be fragile: nothing would be forgotten with it."""
        if self.current is not None:
            self.current.fragile = True

    def sleep(self, duration_ms: float) -> None:
        """Let the current invocation sleep."""
        invocation = self.current
        if invocation is None:
            return
        self._check_alive(invocation)
        until_ms = self.now_ms + duration_ms
        if until_ms <= self._until_ms and (not self._queue or self._queue[0][0] > until_ms):
            self.now_ms = until_ms
            return
        thread = getcurrent()
        self.at(duration_ms, self._resumption(invocation, thread))
        self._hub.switch()
        self._check_alive(invocation)

    def desert(self) -> None:
        """Let an invocation die that wakes others ahead of the stream, where it holds nothing."""
        invocation = self.current
        if invocation is not None and invocation.ahead and self.strikes("desert"):
            invocation.dead = True
            raise Killed

    def step(self) -> bool:
        """Let others run between two items of one read; true, to stand in a condition."""
        if self.chance(HABITS.torn_read):
            self.sleep(self.between((0, 3)))
        return True

    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Make calls that wait for none of each other: one by one, in any order."""
        done: dict[int, T] = {}
        order = list(range(len(calls)))
        self.random.shuffle(order)
        for number in order:
            done[number] = calls[number]()
        return [done[number] for number in range(len(calls))]

    def beside(self, call: Callable[[], T], own: Callable[[], None]) -> T:
        """Make a call before or after what is done meanwhile."""
        if self.random.random() < 0.5:
            own()
            return call()
        answer = call()
        own()
        return answer

    def _check_alive(self, invocation: Invocation) -> None:
        if self._closed or invocation.dead:
            raise Killed

    def pause(self, *, errors: bool = True) -> None:
        """A port call on its way, there or back: time passes, and things go wrong.

        ``errors``: the storage may answer that it does not work.
        """
        invocation, faults = self.current, self.faults
        if invocation is None or invocation.dead or self._closed:
            self.sleep(0)
            return
        profile = self.profile
        if not invocation.fragile:
            self.sleep(self.between(profile.handler_ms))
            return
        bad = 1 - self.random.random()
        if bad < faults.kill:
            self.stats["kill"] += 1
            self.note(f"{invocation.kind} is killed")
            invocation.dead = True
            raise Killed
        if bad < faults.kill + faults.freeze:
            self.stats["freeze"] += 1
            self.note(f"{invocation.kind} freezes")
            self.sleep(self.between(faults.freeze_ms))
        elif bad < faults.kill + faults.freeze + faults.error:
            if errors:
                self.stats["error"] += 1
                self.note(f"{invocation.kind} is refused by the storage")
                raise StorageUnavailable("simulated")
        elif self.chance(profile.stall):
            self.sleep(self.between(profile.stall_ms))
        else:
            self.sleep(self.between(profile.call_ms))


class WorldClock:
    """The port of time, over virtual time; a process's clock may go wrong by some."""

    def __init__(self, world: World, wrong_ms: float = 0) -> None:
        self._world, self._wrong_ms = world, wrong_ms

    def now_ms(self) -> float:
        """The virtual time, as far as it is known."""
        return self._world.now_ms + self._wrong_ms

    def wait_ms(self, duration_ms: float) -> None:
        """Sleep in virtual time."""
        self._world.sleep(duration_ms)


class WorldIds:
    """The port of chance: names that are counted, seeds that follow from the run's seed."""

    def __init__(self, world: World) -> None:
        self._world, self._number = world, count(1)

    def transaction_id(self) -> str:
        """The next name."""
        return f"t{next(self._number)}"

    def seed(self) -> bytes:
        """16 bytes of the run's chance."""
        return self._world.random.randbytes(16)
