"""What goes on besides: appliers that are late, and a deployment."""

import json

from chalicelib.engine.backend import Backend
from chalicelib.engine.database.deployment import DROP_REST_MS
from chalicelib.engine.errors import IndexNotReady, IndexUnknown
from chalicelib.engine.functions.calls import Call
from tests.simulation.oracle import Oracle
from tests.simulation.platform import Platform
from tests.simulation.properties import Broken, Property

NEXT_APP = ("tests.simulation.app_next",)
HOUSE_JOB = b'{"type":"house"}'
MOST_LATE_MS = 3000.0


class Background:
    """Starts them at random times."""

    def __init__(self, platform: Platform, oracle: Oracle) -> None:
        self._platform, self._world, self._oracle = platform, platform.world, oracle
        self._next: Backend | None = None
        self.is_finished = False

    def start(self) -> None:
        """Plan everything."""
        world, profile = self._world, self._world.profile
        span_ms = profile.think_ms[1] * profile.acts[1] / 2
        for _ in range(profile.appliers):
            world.cause("applier", world.between((50, span_ms)), self._apply_late)
        for _ in range(profile.house):
            world.cause("house", world.between((50, span_ms)), self._keep_house)
        if profile.deploy:
            world.at(world.between((200, span_ms / 2)), self._deploy)
            for _ in range(4):
                world.cause("query", world.between((300, span_ms)), self._query_next)

    def _apply_late(self) -> None:
        """Apply one entry that was above the watermark, long after it was read."""
        storage, world = self._platform.storage, self._world

        def work(_: Backend) -> None:
            entries = storage.tail(storage.marks().applied).entries
            if entries:
                entry = world.random.choice(entries)
                world.sleep(world.between((0, MOST_LATE_MS)))
                storage.apply([entry])

        self._platform.invoke("applier", work)

    def _keep_house(self) -> None:
        self._platform.invoke("house", lambda backend: _ignore(backend.upkeep.keep_house()))

    def _deploy(self) -> None:
        """Deploy the next app: to the end, or to where jobs and the heartbeat go on."""
        deployer = self._platform.backend(NEXT_APP)
        wait_ms = self._world.random.choice((0.0, 20.0, float("inf")))

        def work(_: Backend) -> None:
            deployer.deploy("v2", wait_ms=wait_ms)
            deployer.go_on()

        self._platform.invoke("deploy", work, again=self._deploy)

    def finish(self) -> None:
        """Let everything that a deployment leaves be done, and query its index once more."""
        for _ in range(2):
            self._world.now_ms += DROP_REST_MS
            self._platform.start_job(HOUSE_JOB, 0)
            self._world.run()
        self.is_finished = True
        self._query_next()
        self._world.run()

    def _query_next(self) -> None:
        """Query with the next app's code, which may run before and beside its deployment."""
        backend = self._next = self._next or self._platform.backend(NEXT_APP)

        def work(_: Backend) -> None:
            outcome = backend.call(Call("found:all", b"{}"), "query")
            if outcome.failure is not None and isinstance(
                outcome.failure.error, IndexNotReady | IndexUnknown
            ):
                if self.is_finished:
                    raise Broken(Property.REST, "the new index is not ready in the end")
                return
            expected = sorted(mark.tag for mark in self._oracle.at(outcome.ts).values())
            found = json.loads(outcome.value or b"null")
            if sorted(found) != expected:
                raise Broken(
                    Property.ANSWER,
                    f"by_tag at {outcome.ts} holds {found}, replayed: {expected}",
                )
            self._world.stats["queries of a new index"] += 1

        self._platform.invoke("query of the next app", work)


def _ignore(_: object) -> None:
    """Let a result go."""
