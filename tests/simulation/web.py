"""Requests over HTTP that are limited, and repeated under their key; and a follower of the log."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.backend import Backend
from chalicelib.engine.database.catalogue import (
    CATALOGUE_TABLE,
    FIRST_USER_NUMBER,
    decode_catalogue,
)
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.log import ORIGIN, Entry
from tests.simulation.app.schema import KEYS
from tests.simulation.client import USERS
from tests.simulation.oracle import Asked, Oracle, Refused
from tests.simulation.platform import Platform, user
from tests.simulation.properties import Broken, Property
from tests.simulation.rates import RateLedger

FOLLOW = "ledger:follow"
REPEATS = 4
REFUSED, TOO_OFTEN = 409, 429
RETRY_MS = (20, 900)
NOTHING = "null"


@contextmanager
def operations() -> Iterator[None]:
    """Let the app's operations be among those that are kept by their name, inside the block."""
    # Imported only where it is used: it takes half a second.
    from chalicelib.geoflow.rest import BY_NAME  # noqa: PLC0415
    from tests.simulation.app_web.http import OPERATIONS  # noqa: PLC0415

    names = [operation.name for operation in OPERATIONS.values()]
    BY_NAME.update(zip(names, OPERATIONS.values(), strict=True))
    try:
        yield
    finally:
        for name in names:
            del BY_NAME[name]


@dataclass(slots=True, eq=False)
class Wish:
    """What somebody asks for, however often; ``is_done``: they were told that it was done."""

    tag: str
    name: str
    body: bytes
    who: str
    since: int
    left: int = REPEATS
    is_done: bool = False


class WebCaller:
    """Asks over HTTP, again if there was no answer, and now and then although there was."""

    def __init__(self, platform: Platform, oracle: Oracle, rates: RateLedger) -> None:
        self._platform, self._world = platform, platform.world
        self._oracle, self._rates = oracle, rates
        self._number = 0

    def start(self) -> None:
        """Plan all of it."""
        world, profile = self._world, self._world.profile
        for _ in range(profile.web):
            world.cause("web", world.between((50, profile.jobs_ms)), self._wish)
            world.cause("follow", world.between((50, profile.jobs_ms)), self._follow)

    def _wish(self) -> None:
        random, tag = self._world.random, f"web:{self._number}"
        self._number += 1
        name, who = random.choice(("add", "grow", "squeeze")), random.choice(USERS)
        args = {"key": random.randrange(KEYS), "tag": tag}
        self._oracle.asked[tag] = Asked(f"marks:{name}", args, {who})
        wish = Wish(tag, name, json.dumps(args).encode(), who, self._oracle.head)
        for _ in range(random.choice((1, 1, 2, 3))):
            self._world.at(self._world.between((0, 30)), lambda: self._ask(wish))

    def _ask(self, wish: Wish) -> None:
        was_done = wish.is_done
        headers = {"idempotency-key": wish.tag, "content-type": "application/json"}
        path = f"/marks/{wish.name}"
        request = Request(method="POST", path=path, headers=headers, body=wish.body)

        def work(backend: Backend) -> None:
            response = backend.http(request, user(wish.who))
            self._world.note(f"HTTP {wish.tag} {path}: {response.status} {response.body!r}")
            self._world.stats[f"requests, {response.status}"] += 1
            if response.status == TOO_OFTEN:
                self._ask_again(wish)
                return
            self._rates.serve()
            self._take(wish, response, was_done=was_done)
            if self._world.random.random() > 0.7:
                self._ask_again(wish)

        self._platform.invoke("request", work, again=lambda: self._ask_again(wish))

    def _ask_again(self, wish: Wish) -> None:
        if wish.left:
            wish.left -= 1
            self._world.at(self._world.between(RETRY_MS), lambda: self._ask(wish))

    def _take(self, wish: Wish, response: Response, *, was_done: bool) -> None:
        """Hold an answer to what the log has: the first one's answer, whichever asks."""
        asked, said = self._oracle.asked[wish.tag], json.loads(response.body or NOTHING)
        if response.status == REFUSED:
            could = self._oracle.ever(asked.path, asked.args, wish.since, Refused(said))
            if was_done or not could:
                raise Broken(Property.REPEATED, f"{wish.tag} cannot be refused: {said}")
        elif asked.ts is None or said != asked.answer:
            raise Broken(
                Property.REPEATED,
                f"{wish.tag} was answered {said}, and {asked.answer} at {asked.ts}",
            )
        else:
            wish.is_done = True

    def _follow(self) -> None:
        self.follow(self._world.random.choice((1, 3, 10)))

    def follow(self, limit: int) -> None:
        """Have the follower go on."""

        def work(backend: Backend) -> None:
            arguments = json.dumps({"limit": limit}).encode()
            backend.call(Call(FOLLOW, arguments, AdminIdentity()), "mutation")

        self._platform.invoke("follower", work)


class Follower:
    """What the follower was told, held to the log: each entry once, in order, as it is."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle, self.position = oracle, ORIGIN
        self._names: dict[int, str] = {}

    def committed(self, entry: Entry) -> None:
        """Take in an entry that the oracle knows."""
        for write in entry.writes:
            if write.table == CATALOGUE_TABLE and write.after:
                tables = decode_catalogue(write.after).tables
                self._names = {table.number: name for name, table in tables.items()}
        if entry.path != FOLLOW or entry.result is None:
            return  # without a result it is the name of one in line that is used up
        for found in json.loads(json.loads(entry.result)):
            self.position += 1
            there = self._told(self._oracle.entry(self.position))
            if self.position >= entry.ts or found != there:
                raise Broken(
                    Property.HISTORY, f"at {entry.ts} it was told {found}, there is {there}"
                )

    def _told(self, entry: Entry) -> Sequence[Any]:
        changes = [
            [
                self._names[write.table],
                write.document_id,
                _tag(write.before),
                _tag(write.after),
            ]
            for write in entry.writes
            if write.table >= FIRST_USER_NUMBER
        ]
        return [entry.ts, entry.path, entry.subject, changes]

    def check_at_rest(self, head: int) -> None:
        """Refuse what the follower was not told."""
        if self.position < head:
            raise Broken(Property.HISTORY, f"it was told up to {self.position} of {head}")


def _tag(image: bytes | None) -> str | None:
    return None if image is None else json.loads(image).get("tag", "another document")
