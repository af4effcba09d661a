"""The published list of faults: docs/correctness.md is made from it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, get_args, get_type_hints

Range = tuple[float, float]
"""Bounds of a duration in milliseconds, between which it is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, and how likely it is each time that it could. Profiles set these."""

    kill: Annotated[float, "At a port call, there or back, the invocation ends."] = 0.002
    freeze: Annotated[float, "At a port call, the invocation sleeps for `freeze_ms`."] = (
        0.0006
    )
    freeze_ms: Annotated[Range, "How long: longer than a lease, too."] = (1_000, 70_000)
    error: Annotated[
        float, "At a port call, the storage answers that it does not work."
    ] = 0.0006
    lost_put: Annotated[
        float,
        "A put is not answered: it has landed, lands later, or never does. "
        "On the local server, a group of commits fails.",
    ] = 0.02
    lost_post: Annotated[
        float, "A post or a close is not answered; it may have been delivered."
    ] = 0.01
    full: Annotated[
        float, "A transition is refused: the gateway has no room for more to its client."
    ] = 0
    cut: Annotated[
        float,
        "Before an act of a client its socket dies; a prefix of what it sent arrives.",
    ] = 0.03
    desert: Annotated[
        float,
        "Whoever wakes others ahead of the stream dies before it has their lease, or having told "
        "a holder.",
    ] = 0.01
    forgotten: Annotated[float, "The hint that a job is due is lost."] = 0.05


EXPIRED_MS = 5 * 60 * 1000.0
"""Age at which AWS refuses a signed request: a put that was slept over does not land."""

NONE = Faults(
    kill=0, freeze=0, error=0, lost_put=0, lost_post=0, full=0, cut=0, desert=0, forgotten=0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the platform does in every world, with nothing wrong, and how likely it is."""

    stream_twice: Annotated[float, "The stream reports an entry twice."] = 1 / 3
    stream_again: Annotated[float, "A report begins with entries reported before."] = 0.2
    job_twice: Annotated[float, "A message of the queue is delivered twice."] = 0.25
    new_process: Annotated[
        float, "An invocation starts a process, though one is idle; the idle go stale."
    ] = 0.1
    put_lands: Annotated[float, "A put that is not answered lands all the same."] = 0.7
    put_late: Annotated[float, "Such a put lands up to 2 s later, after others."] = 0.3
    post_arrives: Annotated[float, "A post that is not answered was delivered."] = 0.5
    lost_disconnect: Annotated[float, "Nobody is told that a socket has died."] = 0.2
    deaf_close: Annotated[
        float, "What was sent just before a close by the server is not received."
    ] = 0.5
    torn_read: Annotated[
        float, "Between two rows or two entries of one read, others write."
    ] = 0.3
    short_page: Annotated[float, "A read ends early, and is to be continued."] = 0.1
    old_read: Annotated[
        float,
        "DynamoDB: what is read eventually consistently is up to 400 ms old.",
    ] = 0.5
    slow_page: Annotated[float, "DynamoDB: a query takes up to 20 ms in between."] = 0.2
    unprocessed: Annotated[float, "DynamoDB: a batch leaves one request undone."] = 0.05


HABITS = Habits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of the list: its name, its likelihood or duration, and what it does."""

    name: str
    number: float | Range
    does: str


def told(of: Faults | Habits) -> Iterator[Told]:
    """List faults or habits as they are declared."""
    hints = get_type_hints(type(of), include_extras=True)
    for one in fields(of):
        number = getattr(of, one.name)
        yield Told(name=one.name, number=number, does=get_args(hints[one.name])[1])
