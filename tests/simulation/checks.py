"""What must hold when everything has come to rest."""

import msgspec

from chalicelib.engine.database.catalogue import (
    CATALOGUE_TABLE,
    Catalogue,
    decode_catalogue,
)
from chalicelib.engine.database.counts import COUNTS_INDEX, Count
from chalicelib.engine.log import ORIGIN, IndexKey, rows
from chalicelib.engine.sync.states import session_of
from chalicelib.engine.sync.subscriptions import in_order, subscriptions
from tests.simulation.doors import SlowSubscriptions
from tests.simulation.faults import NONE
from tests.simulation.oracle import Oracle
from tests.simulation.platform import Platform
from tests.simulation.properties import Broken, Property


def check_rows(platform: Platform, oracle: Oracle) -> None:
    """Compare the rows with those that the replayed documents have, in every index."""
    old = _old_answers(oracle, platform.old_ts)
    expected, live = _expected(oracle), platform.storage.live_rows()
    expected = {key: image for key, image in expected.items() if key not in old}
    found = {
        key: image
        for key, image in live.items()
        if key[0] != COUNTS_INDEX and key not in old
    }
    if found != expected:
        wrong = [
            (key, expected.get(key), found.get(key))
            for key in sorted({*found, *expected})
            if found.get(key) != expected.get(key)
        ]
        raise Broken(Property.ROWS, f"{len(wrong)} rows are not the replay's: {wrong[:3]}")


def check_counts(platform: Platform, oracle: Oracle) -> None:
    """Compare each count that is kept with the rows that there were at its timestamp."""
    for (index, _), image in platform.storage.live_rows().items():
        if index != COUNTS_INDEX or image is None:
            continue
        kept = msgspec.msgpack.decode(image, type=Count)
        there = _keys_at(kept.ts, kept.interval.index, oracle)
        number = sum(kept.interval.holds(key) for key in there)
        if number != kept.number:
            raise Broken(Property.ROWS, f"{kept} is kept, and there were {number}")


def _keys_at(ts: int, index: int, oracle: Oracle) -> set[bytes]:
    found: set[bytes] = set()
    for entry in oracle.entries[: ts - ORIGIN]:
        for write in entry.writes:
            found -= {key for at, key in write.removed if at == index}
            found |= {key for at, key in write.added if at == index}
    return found


def _old_answers(oracle: Oracle, until: int) -> set[IndexKey]:
    return {e.request.key for e in oracle.entries if e.request and e.ts <= until}


def _expected(oracle: Oracle) -> dict[IndexKey, bytes | None]:
    images: dict[tuple[int, bytes], bytes] = {}
    expected: dict[IndexKey, bytes | None] = {}
    catalogue = Catalogue()
    for entry in oracle.entries:
        for write in entry.writes:
            images.pop((write.table, write.id), None)
            if write.after is not None:
                images[write.table, write.id] = write.after
            if write.table == CATALOGUE_TABLE and write.after is not None:
                catalogue = decode_catalogue(write.after)
        if entry.request is not None:
            answer = next(rows(entry))
            expected[entry.request.key] = answer.image
    tables = {table.number: table for table in catalogue.tables.values()}
    for (number, internal), image in images.items():
        if number == CATALOGUE_TABLE:
            expected[number, internal] = image
        else:
            for key in tables[number].keys(internal, image):
                expected[key] = image
    return expected


def check_failures(oracle: Oracle, failed: list[str]) -> None:
    """Refuse mutations that took effect although their caller was told that they did not."""
    for tag in failed:
        if oracle.asked[tag].ts is not None:
            raise Broken(
                Property.FAILURE,
                f"{tag} took effect at {oracle.asked[tag].ts}, and was said to fail",
            )


def check_subscriptions(platform: Platform) -> None:
    """Compare what stands for each session whose socket is open with what its queries have read."""
    doors, sessions = platform.subscriptions, platform.sessions
    if platform.world.profile.faults != NONE or not isinstance(doors, SlowSubscriptions):
        return
    sockets = platform.gateway.sockets
    for connection in sorted(name for name, socket in sockets.items() if socket.open):
        queries = session_of(sessions.state(connection)).queries.values()
        needed = subscriptions(connection, (i for q in queries for i in q.reads))
        if doors.held(connection) != needed:
            wrong = in_order(doors.held(connection) ^ needed)
            raise Broken(Property.LEFTOVERS, f"{connection}: {wrong[:3]}")
