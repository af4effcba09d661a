"""When a cron expression matches, by the clocks of a time zone.

Expressions are read by cronsim, which follows Debian's cron: what falls into the hour that is
left out in spring runs right after it, and in autumn a fixed time runs once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from chalicelib.engine.server import ValidationFailed

_FIELDS: Final = 5
_MS: Final = 1000.0


def next_time_ms(cron: str, time_zone: str, after_ms: float) -> float:
    """Return the first time after ``after_ms``, in ms since the Unix epoch.

    Raises:
        ValidationFailed: the expression or the time zone cannot be, or no time matches.
    """
    try:
        return next(times_ms(cron, time_zone, after_ms))
    except StopIteration:
        raise ValidationFailed(
            f"{cron!r} matches no time of the next 50 years", cron=cron
        ) from None


def times_ms(cron: str, time_zone: str, after_ms: float) -> Iterator[float]:
    """Return the times after ``after_ms``, in ms since the Unix epoch.

    They end where none follows within 50 years.

    Raises:
        ValidationFailed: the expression or the time zone cannot be.
    """
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only where there are schedules

    if len(cron.split()) != _FIELDS:
        raise ValidationFailed(
            f"{cron!r}: write minute, hour, day, month and weekday, separated by spaces",
            cron=cron,
        )
    start = datetime.fromtimestamp(after_ms / _MS, _zone(time_zone))
    try:
        matches = CronSim(cron, start)
    except CronSimError as wrong:
        raise ValidationFailed(f"{cron!r}: {wrong}", cron=cron) from None
    return (found.timestamp() * _MS for found in matches)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValidationFailed(
            f"{name!r} is no time zone: give an IANA name such as 'Europe/Berlin'",
            timeZone=name,
        ) from None
