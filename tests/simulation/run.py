"""Runs one seed: a world, its clients, and the checks when it has come to rest."""

from collections.abc import Callable
from contextlib import nullcontext

from chalicelib.engine.database.housekeeping import Housework
from chalicelib.engine.log import Entry
from tests.simulation.app.chores import LABOURS
from tests.simulation.background import Background
from tests.simulation.blobs import Shelf, impatience
from tests.simulation.chance import Chance, Root
from tests.simulation.checks import (
    check_counts,
    check_failures,
    check_rows,
    check_subscriptions,
)
from tests.simulation.client import SILENCE_MS, Client
from tests.simulation.files import FileCaller
from tests.simulation.http import HttpCaller
from tests.simulation.jobs import JobCaller, Ledger
from tests.simulation.limits import small_limits
from tests.simulation.oracle import Oracle
from tests.simulation.platform import APP, TICK_MS, Platform
from tests.simulation.profiles import Profile
from tests.simulation.undoing import UndoCaller, UndoLedger
from tests.simulation.web import Follower, WebCaller, operations
from tests.simulation.world import World

NIGHT_MS = 25 * 60 * 60 * 1000.0
"""Longer than the log is kept for sure."""

ROUNDS = 80
"""Ticks to wait for after the last fault; an action is given up after 42 of them, one that is
a job after 62.
"""


class Simulation:
    """One seeded run."""

    def __init__(
        self,
        seed: int,
        profile: Profile,
        trace: Callable[[str], None] | None = None,
        root: Root = Chance,
    ) -> None:
        world = self.world = World(seed, profile, root)
        world.trace = trace
        self.oracle, self.ledger, self.shelf = Oracle(), Ledger(), Shelf()
        self.undone = UndoLedger(self.oracle)
        self.follower = Follower(self.oracle)
        LABOURS.clear()
        self.platform = Platform(world, self._committed, self.shelf)
        self.platform.backend(APP).deploy("v1")
        if profile.web:
            # Afterwards, so that its tables come after those of the others.
            self.platform.backend().deploy("v2")
        world.begin()
        low, high = profile.clients
        clients = [
            Client(name, self.platform, self.oracle, world.random.randint(*profile.acts))
            for name in "xyzuvw"[: world.random.randint(low, high)]
        ]
        self.clients = [client for client in clients if client.is_there]
        self.http = HttpCaller(self.platform, self.oracle)
        self.background = Background(self.platform, self.oracle)
        self.jobs = JobCaller(self.platform, self.oracle, self.ledger)
        self.files = FileCaller(self.platform, self.shelf)
        self.web = WebCaller(self.platform, self.oracle, self.platform.rates)
        self.undos = UndoCaller(self.platform, self.oracle, self.undone)

    def run(self) -> None:
        """Run to the end.

        Raises:
            Broken: a property does not hold.
        """
        try:
            with operations() if self.world.profile.web else nullcontext():
                self._live()
                self._come_to_rest()
                self._check()
        finally:
            self.world.close()

    def _live(self) -> None:
        world = self.world
        for client in self.clients:
            world.at(world.between((0, 100)), client.open, chance=client.chance)
            world.at(200, client.live, chance=client.chance)
        self.http.start()
        self.background.start()
        self.jobs.start()
        self.files.start()
        self.undos.start()
        self.web.start()
        world.run()
        if world.profile.night:
            self._live_on_another_day()

    def _live_on_another_day(self) -> None:
        """Trim the log while processes wake up, each with what it knew the day before."""
        self._apply_all()
        self._keep_house()
        self.world.run()
        self.http.start()
        self.world.run(self.world.between((50, 400)))
        self.platform.old_ts = self.oracle.head
        # Some are in the middle of a call; they go on when the log may have been trimmed.
        wake_ms = self.world.between((0, 300))
        self.world.sleep_through(NIGHT_MS, wake_ms=wake_ms)
        self.platform.gateway.delay(NIGHT_MS + wake_ms)
        for client in self.clients:
            client.left = self.world.random.randint(*self.world.profile.acts)
            self.world.at(0, client.live, chance=client.chance)
        self.http.start()
        for _ in range(3):
            self.world.at(self.world.between((0, 200)), self._keep_house)
        self.world.run()

    def _keep_house(self) -> None:
        self.platform.invoke(
            "house", lambda backend: self._note(backend.upkeep.keep_house())
        )

    def _note(self, done: Housework) -> None:
        for name in ("reaped", "answered", "trimmed"):
            self.world.stats[name] += getattr(done, name)

    def _come_to_rest(self) -> None:
        self.world.calm_down()
        if not self.world.profile.ticks:
            return
        for _ in range(ROUNDS):
            if self.ledger.at_rest and all(client.at_rest for client in self.clients):
                break
            self.world.run(TICK_MS)
        # On until whoever was left in silence has given up since.
        self.world.run(
            max(0, self.world.calm_ms - self.world.now_ms) + SILENCE_MS + TICK_MS
        )
        self.world.run()

    def _check(self) -> None:
        for client in self.clients:
            client.check_at_rest()
        self.ledger.check_at_rest(self.oracle)
        self.undone.check_at_rest()
        if self.undone.ended:
            self.world.stats["undos that ended"] += self.undone.ended
        self.world.stats.update(self.ledger.ends())
        if self.world.profile.web:
            self._check_follower()
        if self.world.profile.files:
            self.files.finish()
            self.shelf.check_at_rest()
        self._apply_all()
        if self.world.profile.deploy:
            self.background.finish()
        check_rows(self.platform, self.oracle)
        check_counts(self.platform, self.oracle)
        check_subscriptions(self.platform)
        check_failures(self.oracle, self.http.failed)
        for client in self.clients:
            check_failures(self.oracle, client.failed)

    def _check_follower(self) -> None:
        head = self.oracle.head
        for _ in range(self.world.profile.processes + 2):
            # One that knows less of the log learns of it, and tells nothing.
            self.web.follow(head)
            self.world.run()
        self.follower.check_at_rest(head)

    def _committed(self, entry: Entry) -> None:
        self.oracle.committed(entry)
        self.ledger.committed(entry)
        self.undone.committed(entry)
        self.follower.committed(entry)
        self.shelf.committed(entry)

    def _apply_all(self) -> None:
        head = self.oracle.head
        self.platform.invoke("last", lambda backend: _applied(backend.commits(head, head)))
        self.world.run()


def _applied(_: int) -> None:
    """Nothing is left to be done."""


def run(
    seed: int,
    profile: Profile,
    trace: Callable[[str], None] | None = None,
    root: Root = Chance,
) -> Simulation:
    """Run one seed, and return what became of it.

    Raises:
        Broken: a property does not hold.
    """
    with small_limits() if profile.small else nullcontext(), impatience():
        simulation = Simulation(seed, profile, trace, root)
        simulation.run()
    return simulation
