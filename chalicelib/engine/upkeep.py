"""What keeps a deployment in order besides its clients: its schema, and its housekeeping."""

from collections.abc import Callable
from typing import Final

import msgspec

from chalicelib.engine.database.catalogue import TableSpec
from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.deployment import Deployment
from chalicelib.engine.database.housekeeping import Housekeeper, Housework, Retention
from chalicelib.engine.database.progress import Progress
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import Clock, Ids

WORK_MS: Final = 5_000.0
"""How long one job goes on with a deployment, in milliseconds; then the next one does."""


class Work(msgspec.Struct, frozen=True):
    """What came of some steps: whether to go on, and whether a schema has taken effect."""

    is_unfinished: bool
    has_taken_effect: bool


class Upkeep:
    """Deploys the schema of a registry, does the steps that follow, and keeps house."""

    def __init__(
        self,
        registry: Registry,
        persistence: Persistence,
        *,
        tail: LogTail,
        committer: Committer,
        clock: Clock,
        ids: Ids,
        retention: Retention,
    ) -> None:
        self._registry, self._clock = registry, clock
        self._deployment = Deployment(
            persistence, tail=tail, committer=committer, clock=clock, ids=ids
        )
        self._housekeeper = Housekeeper(
            persistence, tail=tail, committer=committer, clock=clock, retention=retention
        )

    def deploy(
        self,
        code_version: str,
        wait_ms: float = float("inf"),
        told: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Make the schema of the registry's apps the one that is served.

        Raises:
            SchemaRefused: documents do not satisfy it; the message names them.
        """
        schema = {
            name: TableSpec(dict(table.indexes), table.stored())
            for name, table in self._registry.tables.items()
        }
        return self._deployment.deploy(schema, code_version, wait_ms=wait_ms, told=told)

    def widen(self, table: str, validator: str) -> None:
        """Let the wider schema of newer code take effect before its deploy step has come."""
        self._deployment.widen(table, validator)

    def progress(self) -> Progress:
        """Tell how far the last deployment is."""
        return self._deployment.progress()

    def is_stuck(self) -> bool:
        """Tell whether a deployment waits for a step that nobody seems to be about to do."""
        return self._deployment.is_stale()

    def work(self) -> Work:
        """Go on with a deployment for a while.

        Whoever finds that somebody else does the same leaves it to them.
        """
        give_up_ms = self._clock.now_ms() + WORK_MS
        pending, unfinished = self.progress().pending, True
        while self._deployment.step():
            if self._clock.now_ms() > give_up_ms:
                break
        else:
            unfinished = False
        progress = self.progress()
        took_effect = pending and progress.state in ("building", "served")
        return Work(unfinished, took_effect)

    def keep_house(self) -> Housework:
        """Let go of what is old enough."""
        return self._housekeeper.visit()
