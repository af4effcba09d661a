"""Which transaction must come before which, and why."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

from tests.proof.histories.transactions import NEVER, Read, Transaction
from tests.proof.histories.versions import Versions

Why = Literal["ww", "wr", "rw", "session", "real time"]
"""``wr``: read what the other wrote. ``rw``: did not see what the other wrote."""

Edge = tuple[Transaction, Transaction, Why]


def dependencies(history: Sequence[Transaction], versions: Versions) -> Iterator[Edge]:
    """All that data tells. Those that perhaps committed count if anybody saw it."""
    told = [one for one in history if one.outcome == "ok"]
    unseen = _unseen(told, versions)
    for edge in _found(told, versions, unseen):
        if edge[0] is not edge[1]:
            yield edge


def _found(
    told: Sequence[Transaction], versions: Versions, unseen: dict[str, list[Transaction]]
) -> Iterator[Edge]:
    for key, order in versions.orders.items():
        writers = [versions.writers.get((key, element)) for element in order]
        for first, second in pairwise(writers):
            if first is not None and second is not None:
                yield first, second, "ww"
        if writers and writers[-1] is not None:
            yield from ((writers[-1], later, "ww") for later in unseen.get(key, ()))
    for one in told:
        for read in one.reads():
            yield from _around(one, read, versions, unseen)
        yield from _registers(one, versions)


def _around(
    reader: Transaction,
    read: Read,
    versions: Versions,
    unseen: dict[str, list[Transaction]],
) -> Iterator[Edge]:
    """Before a reading comes who wrote its end; after it, who wrote next."""
    if read.elements:
        writer = versions.writers.get((read.key, read.elements[-1]))
        if writer is not None:
            yield writer, reader, "wr"
    order = versions.orders.get(read.key, ())
    # What the reader itself appended next is not what it missed.
    for element in order[len(read.elements) :]:
        follower = versions.writers.get((read.key, element))
        if follower is not reader:
            if follower is not None:
                yield reader, follower, "rw"
            break
    else:
        yield from ((reader, later, "rw") for later in unseen.get(read.key, ()))


def _unseen(
    told: Iterable[Transaction], versions: Versions
) -> dict[str, list[Transaction]]:
    """Who surely appended to a list what no reading shows: that came after all of them."""
    shown = {(key, element) for key, order in versions.orders.items() for element in order}
    unseen: dict[str, list[Transaction]] = defaultdict(list)
    for one in told:
        for op in one.appends():
            if (op.key, op.element) not in shown and one not in unseen[op.key]:
                unseen[op.key].append(one)
    return unseen


def _registers(one: Transaction, versions: Versions) -> Iterator[Edge]:
    for get in one.gets():
        if get.value is not None:
            writer = versions.writers.get((get.key, get.value))
            if writer is not None:
                yield writer, one, "wr"
        follower = versions.followers.get((get.key, get.value))
        if follower is not None:
            yield one, follower, "rw"
    for swap in one.swaps():
        if swap.found is not None:
            writer = versions.writers.get((swap.key, swap.found))
            if writer is not None:
                yield writer, one, "ww"


def session_order(history: Iterable[Transaction]) -> Iterator[Edge]:
    """What a session began after something had ended comes after it."""
    sessions: dict[str, list[Transaction]] = defaultdict(list)
    for one in history:
        sessions[one.session].append(one)
    for own in sessions.values():
        for first, second in _in_order(own, lambda one: one.invoked):
            yield first, second, "session"


def real_time_order(history: Iterable[Transaction]) -> Iterator[Edge]:
    """What began after something had ended comes after it, whoever did it.

    A live query may show what is no longer so: it comes after nothing for this reason.
    """
    for first, second in _in_order(
        history, lambda one: -NEVER if one.live else one.invoked
    ):
        yield first, second, "real time"


def _in_order(
    history: Iterable[Transaction], begin: Callable[[Transaction], float]
) -> Iterator[tuple[Transaction, Transaction]]:
    """All pairs of which one ended before the other began, less what follows from others."""
    running: list[tuple[float, int, Transaction]] = []
    ended: list[Transaction] = []
    for number, one in enumerate(sorted(history, key=begin)):
        while running and running[0][0] < begin(one):
            last = heapq.heappop(running)[2]
            # Whoever ended before this one began is before it, and need not be named again.
            ended = [other for other in ended if other.completed >= begin(last)]
            ended.append(last)
        yield from ((other, one) for other in ended)
        if one.completed < NEVER:
            heapq.heappush(running, (one.completed, number, one))
