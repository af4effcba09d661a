"""What a start does to the schema: it waits for checks, and for indexes for a moment."""

import logging
import time
from typing import Final

from chalicelib.bootstrap import Deployment
from chalicelib.engine.database.progress import Progress, doing

WAIT_MS: Final = 10_000.0
"""How long a start waits for new indexes; a larger one is built while others are served."""

TELL_S: Final = 1.0

log: Final = logging.getLogger("geoflow.local")


def deploy(deployment: Deployment) -> None:
    """Make the schema of the apps the one that is served, telling how far it is.

    Raises:
        SchemaRefused: documents do not satisfy it; the message names them.
    """
    teller = _Teller()
    while True:
        progress = deployment.backend.deploy(
            deployment.code_version, wait_ms=WAIT_MS, told=teller.hear
        )
        if not progress.pending:
            break
    for task in progress.open:
        log.info("%s; it cannot be queried before that is done", doing(task))


class _Teller:
    """Says what is being done, once a second."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def hear(self, progress: Progress) -> None:
        """Take in a step."""
        if time.monotonic() - self._told_s < TELL_S:
            return
        self._told_s = time.monotonic()
        for task in progress.open:
            log.info(doing(task))
