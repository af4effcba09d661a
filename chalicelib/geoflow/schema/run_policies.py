"""How often the runs of a workflow are tried, and how long they may take."""

from __future__ import annotations

from typing import Annotated

from chalicelib.engine.server import Meta, Struct
from chalicelib.geoflow.limits import (
    MAX_RETRY_DELAY_MS,
    MAX_RETRY_FACTOR,
    MAX_TIMEOUT_MS,
    MAX_TRIES,
    MIN_TIMEOUT_MS,
)

Timeout = Annotated[float, Meta(ge=MIN_TIMEOUT_MS, le=MAX_TIMEOUT_MS)]


class RetryPolicy(Struct, frozen=True):  # type: ignore[misc]  # frozen, to be a default
    """What happens to a run whose worker says that it may go better another time.

    It is tried up to ``tries`` times in all; the first wait is ``delay_ms``, each further one
    ``factor`` times as long, and none longer than a day.
    """

    tries: Annotated[int, Meta(ge=1, le=MAX_TRIES)] = 3
    delay_ms: Annotated[float, Meta(ge=0, le=MAX_RETRY_DELAY_MS)] = 10_000.0
    factor: Annotated[float, Meta(ge=1, le=MAX_RETRY_FACTOR)] = 2.0


class RunPolicy(Struct, frozen=True):  # type: ignore[misc]  # frozen, to be a default
    """What a workflow settles for its runs; each run takes it along when it starts.

    ``timeout_ms`` is how long a worker may take for one try; null: as long as it reports.
    """

    retry: RetryPolicy = RetryPolicy()
    timeout_ms: Timeout | None = None
