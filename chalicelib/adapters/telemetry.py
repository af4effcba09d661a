"""Logs and metrics of the entry points: JSON lines on Lambda, plain lines locally."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from chalicelib.engine.database.usage import Statistics
from chalicelib.engine.errors import AppError, EngineError
from chalicelib.engine.sync.reruns import Rerun

SERVICE: Final = "geoflow"
"""Name under which logs and metrics are found."""

SAMPLE_S: Final = 60.0
"""Time between two samples of what a process has counted, in seconds."""

LOCAL_STAGES: Final = frozenset({"local", "test"})
"""Stages whose log a person reads as it comes."""


_WRITE: Final = {"[DEBUG]": "debug", "[WARN]": "warning", "[ERROR]": "error"}


class Telemetry:
    """One process's log and metrics."""

    def __init__(self, stage: str, level: str) -> None:
        self._stage = stage
        self._scanning: set[str] = set()
        self._sampled_s, self._totals = time.monotonic(), dict[str, float]()
        self._is_local = stage in LOCAL_STAGES
        self.log: Any = _plain(level) if self._is_local else _structured(level, stage)

    def error(self, error: Exception, path: str, request_id: str) -> None:
        """Log what ended a call: bugs with their stack, refusals as they are."""
        if _is_a_refusal(error):
            self.log.debug("%s: %s: %s", path, type(error).__name__, error)
            return
        self.log.error("%s failed [Request ID: %s]", path, request_id, exc_info=error)

    def observed(self, path: str, found: Statistics) -> None:
        """Take note of what a call read and wrote; say once of each path that it reads all."""
        if found.full_scans and path not in self._scanning:
            self._scanning.add(path)
            self.log.warning(
                "%s reads the whole table %s: an index would spare it that",
                path,
                ", ".join(found.full_scans),
            )
        self.log.debug("%s: %s", path, found)

    def reran(self, rerun: Rerun) -> None:
        """Log why a live query was run again, for whoever looks closely."""
        cause = rerun.cause
        self.log.debug(
            "%s of %s: %s at %s by %s, %s",
            rerun.path,
            rerun.connection,
            cause.why,
            cause.ts,
            cause.path or "nobody",
            "sent" if rerun.sent else "unchanged",
        )

    def said(self, path: str, lines: tuple[str, ...]) -> None:
        """Log what a function had to say, each ``[LEVEL] text`` on its level."""
        for line in lines:
            level, _, text = line.partition(" ")
            write = getattr(self.log, _WRITE.get(level, "info"))
            write("%s: %s", path, text)

    def sample(self, totals: Callable[[], Mapping[str, float]]) -> None:
        """Emit by how much totals have grown, once in a while.

        It costs next to nothing in between, so that it may be called with every event.
        """
        now_s = time.monotonic()
        if now_s - self._sampled_s < SAMPLE_S:
            return
        self._sampled_s = now_s
        found = dict(totals())
        grown = {name: found[name] - self._totals.get(name, 0) for name in found}
        self._totals = found
        if any(grown.values()):
            self.count(**grown)

    def count(self, **values: float) -> None:
        """Emit metrics in CloudWatch's embedded format, one line for all of ``values``."""
        if self._is_local:
            return
        # Imported late: local servers and tests have no use for it.
        from aws_lambda_powertools.metrics import (  # noqa: PLC0415
            EphemeralMetrics,
            MetricUnit,
        )

        metrics = EphemeralMetrics(namespace="GeoFlow", service=SERVICE)
        metrics.add_dimension(name="stage", value=self._stage)
        for name, value in values.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()


def _is_a_refusal(error: Exception) -> bool:
    """Tell whether an error is an answer to its caller, and nobody else's concern."""
    if isinstance(error, EngineError):
        return error.public is None and not error.is_bug
    return isinstance(error, AppError)


def _plain(level: str) -> logging.Logger:
    logger = logging.getLogger(SERVICE)
    logger.setLevel(level)
    return logger


def _structured(level: str, stage: str) -> Any:
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - 40 ms, on Lambda only

    return Logger(service=SERVICE, level=level, stage=stage)
