"""Files: who uploads and deletes them."""

from collections.abc import Callable

from chalicelib.engine.backend import Backend
from chalicelib.engine.errors import AppError, EngineError
from chalicelib.engine.functions.announced import Announced
from tests.simulation.blobs import LATE_MS, Shelf
from tests.simulation.platform import Platform

Work = Callable[[Backend], None]

SWEEP_JOB = b'{"type":"sweepFiles"}'


class FileCaller:
    """Uploads, deletes and sweeps at random times, from any process."""

    def __init__(self, platform: Platform, shelf: Shelf) -> None:
        self._platform, self._world, self._shelf = platform, platform.world, shelf

    def start(self) -> None:
        """Plan all of it."""
        world, profile = self._world, self._world.profile
        for act in (self._upload, self._upload, self._remove, self._sweep):
            for _ in range(profile.files):
                world.cause("file", world.between((50, profile.jobs_ms)), act)

    def finish(self) -> None:
        """Let everything be reaped that is to be."""
        for _ in range(3):
            self._world.now_ms += LATE_MS
            self._sweep()
            self._world.run()

    def _upload(self) -> None:
        content = self._world.random.randbytes(8)

        def work(backend: Backend) -> None:
            made = backend.files.upload((content[:4], content[4:]), Announced())
            self._world.stats["files"] += bool(made)

        self._call("upload", work)

    def _remove(self) -> None:
        files = sorted(blob["file"] for blob in self._shelf.claimed.values())
        if files:
            file = self._world.random.choice(files)
            self._call("removal", lambda backend: backend.files.delete(file))

    def _call(self, kind: str, work: Work) -> None:
        def forgiving(backend: Backend) -> None:
            try:
                work(backend)
            except (AppError, EngineError) as error:
                self._world.stats[f"{kind}: {type(error).__name__}"] += 1

        self._platform.invoke(kind, forgiving)

    def _sweep(self) -> None:
        self._platform.start_job(SWEEP_JOB, 0)
