"""Sessions in DynamoDB: a lease is one item, every step on it one conditional update.

A refused update answers with the item that refused it, so that nobody reads a lease twice.
The items are laid out in :class:`chalicelib.adapters.dynamodb.session_models.SessionItem`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.leases import DEAD, decode_lease, encode_saved, number
from chalicelib.adapters.dynamodb.session_items import (
    Attributes,
    ItemTable,
    delete_of,
    put_of,
)
from chalicelib.adapters.dynamodb.usage import Item
from chalicelib.adapters.system import SystemClock
from chalicelib.engine.errors import Overloaded
from chalicelib.engine.limits import MAX_INBOX_BYTES, MAX_INBOX_FRAMES
from chalicelib.engine.log import Origin
from chalicelib.engine.ports import Acquired, Clock, Frame, Lease, roster_shard

_PIECE_BYTES: Final = 350_000
"""Largest piece of a state in one item, whose limit is 400 KB with names and key."""

_ALIVE: Final = "attribute_exists(born_ms) AND attribute_not_exists(is_dead)"
_FREE: Final = (
    "attribute_not_exists(is_dead) AND (attribute_not_exists(lease_owner)"
    " OR (lease_owner = :owner AND deadline_ms > :now))"
)
_TAKE: Final = (
    "SET lease_owner = :owner, expires_s = :expires_s,"
    " deadline_ms = if_not_exists(deadline_ms, :deadline),"
    " born_ms = if_not_exists(born_ms, :now),"
    " frames_left = if_not_exists(frames_left, :zero),"
    " waiting_frames = if_not_exists(waiting_frames, :zero),"
    " waiting_bytes = if_not_exists(waiting_bytes, :zero),"
)


class DynamoSessions:
    """Leases, states and inboxes in one table."""

    def __init__(self, client: DynamoClient, clock: Clock | None = None) -> None:
        self._table = ItemTable(client, "sessions", clock or SystemClock())

    def acquire(
        self,
        connection: str,
        owner: str,
        *,
        now_ms: float,
        deadline_ms: float,
        wake_ts: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Acquired:
        """Take the lease if it is free, in one update, beside ``meanwhile``.

        Two if the lease is free and its ``wake_ts`` above the caller's.
        """
        given = self._table.expiry() | {
            "owner": {"S": owner},
            "now": number(now_ms),
            "deadline": number(deadline_ms),
            "zero": number(0),
        }
        while True:
            take = partial(self._take, connection, given, wake_ts)
            acquired = take() if meanwhile is None else self._table.beside(take, meanwhile)
            lease, meanwhile = acquired.lease, None
            if acquired.mine or lease.owner or lease.dead or lease.wake_ts <= wake_ts:
                return acquired
            wake_ts = lease.wake_ts

    def _take(self, connection: str, given: Attributes, wake_ts: int) -> Acquired:
        if wake_ts:
            changes = f"{_TAKE} wake_ts = :wake"
            condition = f"{_FREE} AND attribute_exists(born_ms) AND wake_ts <= :wake"
            given = given | {"wake": number(wake_ts)}
        else:
            changes = f"{_TAKE} wake_ts = if_not_exists(wake_ts, :zero)"
            condition = _FREE
        item, done = self._table.update(_lease_key(connection), changes, condition, given)
        return Acquired(decode_lease(item), mine=done)

    def raise_wake(self, connection: str, wake_ts: int) -> Lease:
        """Raise ``wake_ts`` if it is lower."""
        given = {"wake": number(wake_ts)}
        condition = f"{_ALIVE} AND wake_ts < :wake"
        key = _lease_key(connection)
        item, _ = self._table.update(key, "SET wake_ts = :wake", condition, given)
        return decode_lease(item)

    def leave(self, connection: str, frame: Frame) -> None:
        """Take room on the lease, then put the frame as an item of its own.

        Whoever dies in between leaves the room taken: the inbox is that much smaller.
        """
        given = {
            "one": number(1),
            "size": number(len(frame.body)),
            "frames": number(MAX_INBOX_FRAMES),
            "bytes": number(MAX_INBOX_BYTES),
        }
        condition = f"{_ALIVE} AND waiting_frames < :frames AND waiting_bytes < :bytes"
        changes = "ADD waiting_frames :one, waiting_bytes :size"
        key = _lease_key(connection)
        item, done = self._table.update(key, changes, condition, given)
        if done:
            content = {"stamp_ms": number(frame.stamp_ms), "body": {"B": frame.body}}
            if frame.origin is not None:
                content["origin"] = {"B": msgspec.msgpack.encode(frame.origin)}
            item = _frame_key(connection, frame.id) | content | self._table.expiry()
            # A second try could land when the frame has been taken up and removed, and
            # would have it taken up again.
            self._table.put(item, once=True)
        elif not decode_lease(item).dead:
            raise Overloaded(f"{item['waiting_frames']['N']} frames wait already")

    def raise_left(self, connection: str) -> Lease:
        """Count one frame more as left."""
        given = {"one": number(1)}
        item, _ = self._table.update(
            _lease_key(connection), "ADD frames_left :one", _ALIVE, given
        )
        return decode_lease(item)

    def inbox(self, connection: str) -> list[Frame]:
        """Read all frames that wait, in one query."""
        frames = [
            Frame(
                item["sk"]["S"].removeprefix("frame#"),
                float(item["stamp_ms"]["N"]),
                item["body"]["B"],
                _origin(item),
            )
            for item in self._within(connection, "frame#")
        ]
        return sorted(frames, key=lambda frame: (frame.stamp_ms, frame.id))

    def drop_frames(self, connection: str, ids: Iterable[str]) -> None:
        """Remove frames one by one, then give back the room that they took.

        Not in a batch, whose answer would not tell which were there, and how large.
        """
        dropped = [self._table.delete(_frame_key(connection, id_)) for id_ in ids]
        sizes = [len(item["body"]["B"]) for item in dropped if item]
        if sizes:
            given = {"frames": number(-len(sizes)), "bytes": number(-sum(sizes))}
            changes = "ADD waiting_frames :frames, waiting_bytes :bytes"
            condition = "attribute_exists(waiting_frames)"
            self._table.update(_lease_key(connection), changes, condition, given)

    def state(self, connection: str) -> bytes:
        """Read the state item, and the rest of it if there is more than one."""
        item = self._table.get(_state_key(connection))
        if not item:
            return b""
        first: bytes = item["body"]["B"]
        if "parts" not in item:
            return first
        keys = (_state_key(connection, part) for part in range(int(item["parts"]["N"])))
        rest = sorted(
            (part["sk"]["S"], part["body"]["B"])
            for part in self._table.read(keys, consistent=True)
        )
        return first + b"".join(body for _, body in rest)

    def write_state(self, connection: str, state: bytes) -> None:
        """Write the rest of a large state, then the state item.

        The rest is written over: a holder that dies here has nobody who takes over from it
        (docs/hazards.md A6), so a state of mixed parts is never read.
        """
        expiry = self._table.expiry()
        rest = [
            {"body": {"B": state[at : at + _PIECE_BYTES]}}
            for at in range(_PIECE_BYTES, len(state), _PIECE_BYTES)
        ]
        self._table.write(
            put_of(_state_key(connection, part) | body | expiry)
            for part, body in enumerate(rest)
        )
        item = {"body": {"B": state[:_PIECE_BYTES]}}
        if rest:
            item["parts"] = number(len(rest))
        self._table.put(_state_key(connection) | item | expiry)

    def release(self, connection: str, owner: str, lease: Lease, *, final: bool) -> bool:
        """Save and give back the lease, in one update."""
        saved, changes = encode_saved(lease)
        given = saved | {"owner": {"S": owner}}
        condition = "attribute_not_exists(is_dead) AND lease_owner = :owner"
        if not final:
            condition += " AND frames_left <= :left AND wake_ts <= :seen_ts"
            given["left"] = number(lease.left)
        return self._table.update(_lease_key(connection), changes, condition, given)[1]

    def condemn(self, connection: str) -> None:
        """Mark the session dead, for a week."""
        given = self._table.expiry() | {"true": {"BOOL": True}}
        changes = "SET is_dead = :true, expires_s = :expires_s REMOVE digests"
        self._table.update(_lease_key(connection), changes, None, given)

    def bury(self, connection: str) -> None:
        """Remove all but the dead lease; last the entry of the roster, which leads here."""
        for prefix in ("frame#", "state"):
            found = self._within(connection, prefix)
            self._table.write(delete_of(_key_of(item)) for item in found)
        listed = _roster_key(connection)
        if item := self._table.get(listed):
            self._table.delete(_member_key(item["session_id"]["S"], connection))
            self._table.delete(listed)

    def enlist(self, connection: str, session: str, number: int) -> list[str]:
        """Record whose connection this is; look at the leases of older ones, if any."""
        expiry = self._table.expiry()
        listed = _roster_key(connection) | {"session_id": {"S": session}}
        member = _member_key(session, connection) | {"nth": {"N": str(number)}}
        self._table.write([put_of(listed | expiry), put_of(member | expiry)])
        older = [
            item["sk"]["S"]
            for item in self._within(f"session#{session}")
            if int(item["nth"]["N"]) < number
        ]
        leases = self._leases(older, consistent=True)
        return [name for name in older if not leases.get(name, DEAD).dead]

    def roster(self, shard: int) -> list[tuple[str, Lease]]:
        """Read the sessions of one shard, their leases at half the price of the newest."""
        names = [item["sk"]["S"] for item in self._within(f"roster#{shard}")]
        leases = self._leases(names, consistent=False)
        return [(name, leases.get(name, DEAD)) for name in names]

    def leases(self, connections: Sequence[str]) -> dict[str, Lease]:
        """Read several leases, a hundred a call, at half the price of the newest."""
        return self._leases(connections, consistent=False)

    def _leases(self, connections: Iterable[str], *, consistent: bool) -> dict[str, Lease]:
        found = self._table.read(map(_lease_key, connections), consistent=consistent)
        return {item["pk"]["S"]: decode_lease(item) for item in found}

    def _within(self, partition: str, prefix: str = "") -> Iterator[Item]:
        return self._table.query({"S": partition}, prefix)


def _key(partition: str, sort: str) -> Attributes:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


def _key_of(item: Item) -> Attributes:
    return {"pk": item["pk"], "sk": item["sk"]}


def _lease_key(connection: str) -> Attributes:
    return _key(connection, "lease")


def _frame_key(connection: str, id_: str) -> Attributes:
    return _key(connection, f"frame#{id_}")


def _state_key(connection: str, part: int | None = None) -> Attributes:
    return _key(connection, "state" if part is None else f"state#{part:04}")


def _roster_key(connection: str) -> Attributes:
    return _key(f"roster#{roster_shard(connection)}", connection)


def _member_key(session: str, connection: str) -> Attributes:
    return _key(f"session#{session}", connection)


def _origin(item: Item) -> Origin | None:
    held = item.get("origin")
    return None if held is None else msgspec.msgpack.decode(held["B"], type=Origin)
