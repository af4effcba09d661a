"""When crons run: the next time of a schedule, in UTC."""

from datetime import UTC, datetime
from math import floor
from typing import Final, assert_never

from chalicelib.engine.errors import InvalidCron
from chalicelib.engine.schema.jobs import (
    CronExpression,
    Daily,
    Hourly,
    Interval,
    Monthly,
    Schedule,
    Weekly,
)

_FIELDS: Final = 5
_MS: Final = 1000.0
_DAYS: Final = (
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
)


def first_time_ms(schedule: Schedule, now_ms: float) -> float:
    """When a cron that is deployed at ``now_ms`` runs first: an interval at once.

    Raises:
        InvalidCron: It would never run.
    """
    if isinstance(schedule, Interval):
        return now_ms
    return _match_ms(expression(schedule), now_ms)


def next_time_ms(schedule: Schedule, last_ms: float, now_ms: float) -> float:
    """When a cron runs after the run of ``last_ms``, which has ended at ``now_ms``.

    Times that have passed meanwhile are left out.
    """
    if isinstance(schedule, Interval):
        period_ms = schedule.seconds * _MS
        return last_ms + period_ms * (floor(max(now_ms - last_ms, 0) / period_ms) + 1)
    return _match_ms(expression(schedule), max(last_ms, now_ms))


def expression(schedule: Hourly | Daily | Weekly | Monthly | CronExpression) -> str:
    """A schedule as a cron expression: minute, hour, day, month, weekday."""
    match schedule:
        case Hourly(minute=minute):
            return f"{minute} * * * *"
        case Daily(hour=hour, minute=minute):
            return f"{minute} {hour} * * *"
        case Weekly(day=day, hour=hour, minute=minute):
            return f"{minute} {hour} * * {_DAYS.index(day)}"
        case Monthly(day=number, hour=hour, minute=minute):
            return f"{minute} {hour} {number} * *"
        case CronExpression(expression=text):
            return text
        case _:
            assert_never(schedule)


def _match_ms(text: str, after_ms: float) -> float:
    """The first match of a cron expression after a time."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only where there are crons

    if len(text.split()) != _FIELDS:
        raise InvalidCron(
            f"{text!r}: write minute, hour, day, month and weekday, separated by spaces"
        )
    try:
        found = next(CronSim(text, datetime.fromtimestamp(after_ms / _MS, UTC)))
    except CronSimError as wrong:
        raise InvalidCron(f"{text!r}: {wrong}") from None
    except StopIteration:
        raise InvalidCron(f"{text!r} matches no time of the next 50 years") from None
    return found.timestamp() * _MS
