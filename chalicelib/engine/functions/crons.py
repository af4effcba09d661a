"""``crons.py`` of an app: what runs again and again."""

import re
from dataclasses import dataclass
from typing import Any, Final, ParamSpec

from chalicelib.engine.errors import EngineError, InvalidCron
from chalicelib.engine.functions.cron_times import first_time_ms
from chalicelib.engine.functions.registration import Schedulable
from chalicelib.engine.schema.jobs import (
    CronExpression,
    Daily,
    Hourly,
    Interval,
    Monthly,
    Schedule,
    Weekday,
    Weekly,
)

P = ParamSpec("P")

_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_NAME: Final = re.compile(r"[ -~]{1,256}")
_MINUTES: Final = 60
_LONGEST_MONTH: Final = 31
_EPOCH_MS: Final = 0.0


@dataclass(frozen=True, slots=True)
class Cron:
    """One line of ``crons.py``: a name, when, and what to call with which arguments."""

    name: str
    schedule: Schedule
    function: Schedulable[..., Any]
    arguments: dict[str, Any]

    def encoded_arguments(self) -> bytes:
        """The arguments object as the wire has it.

        Raises:
            InvalidCron: They are not what the function takes.
        """
        try:
            return self.function.signature.encode_args(self.arguments)
        except EngineError as wrong:
            raise InvalidCron(f"cron {self.name!r}: {wrong}") from None


class Crons:
    """The crons of an app: ``crons = Crons()`` in its ``crons.py``, then a call for each.

    Names tell crons apart from one deployment to the next. All times are UTC. What comes
    before the function is positional, so that every keyword is the function's.
    """

    def __init__(self) -> None:
        self.crons: list[Cron] = []

    def interval(
        self,
        name: str,
        seconds: int,
        function: Schedulable[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Run every so many seconds, first at the deployment.

        Raises:
            InvalidCron: The name or the number cannot be; so too below.
        """
        self._add(name, Interval(seconds=seconds), function, args, kwargs)

    def hourly(
        self,
        name: str,
        minute: int,
        function: Schedulable[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Run each hour at a minute, 0 to 59."""
        self._add(name, Hourly(minute=minute), function, args, kwargs)

    def daily(
        self,
        name: str,
        time: str,
        function: Schedulable[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Run each day at a time such as "03:10"."""
        hour, minute = _time_of(name, time)
        self._add(name, Daily(hour=hour, minute=minute), function, args, kwargs)

    def weekly(
        self,
        name: str,
        day: Weekday,
        time: str,
        function: Schedulable[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Run each week on a day such as "monday" at a time such as "03:10"."""
        hour, minute = _time_of(name, time)
        schedule = Weekly(day=day, hour=hour, minute=minute)
        self._add(name, schedule, function, args, kwargs)

    def monthly(
        self,
        name: str,
        day: int,
        time: str,
        function: Schedulable[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Run on a day of each month, 1 to 31; months that are too short are left out."""
        hour, minute = _time_of(name, time)
        schedule = Monthly(day=day, hour=hour, minute=minute)
        self._add(name, schedule, function, args, kwargs)

    def cron(
        self,
        name: str,
        expression: str,
        function: Schedulable[P, Any],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Run whenever a cron expression matches: minute, hour, day, month, weekday."""
        self._add(name, CronExpression(expression=expression), function, args, kwargs)

    def _add(
        self,
        name: str,
        schedule: Schedule,
        function: Schedulable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidCron(f"cron {name!r}: a name has 1 to 256 characters of ASCII")
        if any(held.name == name for held in self.crons):
            raise InvalidCron(f"cron {name!r}: there are two of this name")
        if not isinstance(function, Schedulable):
            raise InvalidCron(f"cron {name!r}: {function!r} is no mutation and no action")
        _check(name, schedule)
        arguments = function.signature.bind(args, kwargs)
        self.crons.append(Cron(name, schedule, function, arguments))


def check_cron(cron: Cron) -> None:
    """See that a cron will run, and that its function takes its arguments.

    Raises:
        InvalidCron: It would not, or does not.
    """
    cron.encoded_arguments()
    try:
        first_time_ms(cron.schedule, _EPOCH_MS)
    except InvalidCron as wrong:
        raise InvalidCron(f"cron {cron.name!r}: {wrong}") from None


def _check(name: str, schedule: Schedule) -> None:
    match schedule:
        case Interval(seconds=seconds) if seconds < 1:
            raise InvalidCron(f"cron {name!r}: an interval is 1 second or more")
        case Hourly(minute=minute) if not 0 <= minute < _MINUTES:
            raise InvalidCron(f"cron {name!r}: a minute is 0 to 59, not {minute}")
        case Monthly(day=day) if not 1 <= day <= _LONGEST_MONTH:
            raise InvalidCron(f"cron {name!r}: a day is 1 to 31, not {day}")
        case _:
            return


def _time_of(name: str, text: str) -> tuple[int, int]:
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidCron(f'cron {name!r}: write a time as "03:10", not {text!r}')
    return int(found[1]), int(found[2])
