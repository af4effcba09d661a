"""A whole deployment in memory: the real engine, a clock that a test moves, and no network."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.adapters.memory.keys import memory_secrets
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.memory.rates import MemoryRates
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.adapters.outside import Address, HttpOutside
from chalicelib.engine.auth import AdminIdentity, Caller, Identity
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.database.documents import Writer
from chalicelib.engine.errors import TokenRefused
from chalicelib.engine.functions.announced import Announced
from chalicelib.engine.functions.job_hints import SOON_MS
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.storage import FileAccess
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import ROSTER_SHARDS
from chalicelib.engine.schema import Id, StoredFile
from chalicelib.engine.schema.jobs import JobState
from chalicelib.engine.sync.messages import Authenticate
from testing.client import Client
from testing.documents import transaction
from testing.world import CountedIds, DelayedJobs, Sockets, VirtualClock

ISSUER: Final = "https://test.example"
"""Who vouches for the users of a test."""

SWEEP_MS: Final = 60_000.0
"""How often scheduled functions are swept, as on AWS."""

PHASES: Final[tuple[Literal["waiting", "running", "ended"], ...]] = (
    "waiting",
    "running",
    "ended",
)
"""What may be the state of a scheduled function; each has a time at which something is due."""

_MS_PER_SECOND: Final = 1000
_MS_PER_MINUTE: Final = 60 * _MS_PER_SECOND
_MS_PER_HOUR: Final = 60 * _MS_PER_MINUTE
_MS_PER_DAY: Final = 24 * _MS_PER_HOUR


class TestBackend:
    """One deployment of some app packages, empty; ``advance`` is what makes time pass.

    ``redacted`` keeps the texts of errors from clients, as in production.

    Attributes:
        errors: What was reported to the operators, the oldest first.
    """

    __test__ = False  # its name is no reason for pytest to collect it

    def __init__(
        self,
        *apps: ModuleType | str,
        redacted: bool = False,
        persistence: Persistence | None = None,
    ) -> None:
        """Deploy the packages ``apps``, in memory unless an empty ``persistence`` is given.

        Raises:
            InvalidFunction: A function cannot be served as it is written, and so on: see
                ``Registry``.
        """
        names = [app if isinstance(app, str) else app.__name__ for app in apps]
        self.clock, self.sockets, self.ids = VirtualClock(), Sockets(), CountedIds()
        self.errors: list[Exception] = []
        cursors = SivCursors(b"a test")
        self._jobs = DelayedJobs(self.clock)
        self._parts = self.clock, self.ids, cursors
        self._persistence, self.blobs = persistence or MemoryPersistence(), MemoryBlobs()
        self.rates = MemoryRates()
        self._users: dict[str, Identity] = {}
        self.engine = Backend(
            Registry(names),
            Ports(
                persistence=self._persistence,
                sessions=MemorySessions(),
                subscriptions=MemorySubscriptions(),
                gateway=self.sockets,
                jobs=self._jobs,
                clock=self.clock,
                ids=self.ids,
                cursors=cursors,
                blobs=self.blobs,
                secrets=memory_secrets(),
                outside=HttpOutside(allowed=_is_loopback, plain=True),
                rates=self.rates,
            ),
            behaviour=Behaviour(
                settle_ms=0,
                redacted=redacted,
                files=FileAccess("https://files.example", b"a test"),
            ),
            verify=self._verify,
            report=lambda error, _path, _request_id: self.errors.append(error),
        )
        self._told = self.engine.head()
        self.engine.deploy("test")
        self._sweep_ms = self.clock.now_ms() + SWEEP_MS

    def as_user(self, name: str, /, **claims: Any) -> Client:
        """Return somebody signed in, whose token has these claims too.

        The subject of the identity is ``name``; name and email follow from it.
        """
        attributes = {
            "issuer": ISSUER,
            "subject": name,
            "tokenIdentifier": f"{ISSUER}|{name}",
            "name": name.title(),
            "email": f"{name}@example.com",
            **claims,
        }
        identity = Identity(ISSUER, name, attributes["tokenIdentifier"], attributes)
        self._users[name] = identity
        return Client(self, identity)

    @property
    def nobody(self) -> Client:
        """Somebody who has not signed in."""
        return Client(self, None)

    @property
    def system(self) -> Client:
        """The holder of the admin key: no identity, and internal functions answer."""
        return Client(self, AdminIdentity())

    @contextmanager
    def db(self) -> Iterator[Writer]:
        """Give the database itself, without row policies: to seed it, and to look into it.

        The block is one transaction, which is committed when it ends without an error::

            with backend.db() as db:
                user = db.insert(User(email="ann@example.com"))

        Raises:
            Conflicted: A function that was called inside the block changed what it had read.
        """
        self.clock.wait_ms(1)
        with transaction(self._persistence, self.engine.registry, *self._parts) as writer:
            yield writer
        self.tell()

    def upload(
        self, url: str, content: bytes, *, content_type: str | None = None
    ) -> Id[StoredFile]:
        """Post a file to an upload URL, as a browser does.

        Raises:
            InvalidUploadToken: The URL is none that a function has made, and so on.
        """
        (token,) = parse_qs(urlsplit(url).query)["token"]
        self.engine.files.check_upload_token(token)
        announced = Announced(size=len(content), content_type=content_type)
        stored = self.engine.files.upload((content,), announced)
        self.tell()
        return stored

    def download(self, url: str) -> bytes | None:
        """Read the URL of a file, as a browser does; None is what it is told with a 404."""
        key = urlsplit(url).path.rpartition("/")[-1]
        if self.engine.files.find(key) is None:
            return None
        return b"".join(self.engine.files.read(key))

    def advance(
        self,
        ms: float = 0,
        *,
        seconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
    ) -> None:
        """Let time pass, and do what falls due on the way, each at its time and in order."""
        until_ms = self.clock.now_ms() + (
            ms
            + seconds * _MS_PER_SECOND
            + minutes * _MS_PER_MINUTE
            + hours * _MS_PER_HOUR
            + days * _MS_PER_DAY
        )
        self.run_jobs()
        while (left_ms := until_ms - self.clock.now_ms()) > 0:
            self._step(left_ms)
            self.run_jobs()
        self._sweep_after(self._sweep_ms)
        self.run_jobs()
        for shard in range(ROSTER_SHARDS):
            self.engine.tick(shard)
        self.run_jobs()

    def run_jobs(self) -> None:
        """Do what is due now, and tell watchers what was committed."""
        self.tell()
        while self._jobs.next_in_ms() <= 0:
            for body in self._jobs.due():
                self.engine.job(body)
            self.tell()

    def tell(self) -> None:
        """Hand what was committed to the fan-out, as the log's stream would."""
        while (head := self.engine.head()) > self._told:
            first, self._told = self._told + 1, head
            self.engine.commits(first, head)

    def _step(self, left_ms: float) -> None:
        """Let time pass until something is due, and no further than ``left_ms``.

        Sweeps that would start nothing are left out: a month has 43,200 of them.
        """
        sweep_ms = max(self._sweep_ms, self._due_ms() - SOON_MS)
        to_sweep_ms = max(0.0, sweep_ms - self.clock.now_ms())
        self.clock.wait_ms(min(left_ms, to_sweep_ms, self._jobs.next_in_ms()))
        self._sweep_after(sweep_ms)

    def _sweep_after(self, sweep_ms: float) -> None:
        if self.clock.now_ms() >= sweep_ms:
            self.engine.send_sweep()
            self._sweep_ms = self.clock.now_ms() + SWEEP_MS

    def _due_ms(self) -> float:
        """When the next scheduled function is due, or the record of one may go."""
        with transaction(self._persistence, self.engine.registry, *self._parts) as writer:
            firsts = (
                writer.system.query(JobState.by_phase.eq(phase)).first() for phase in PHASES
            )
            return min((first.due for first in firsts if first), default=float("inf"))

    def _verify(self, message: Authenticate) -> Caller:
        match message.token_type:
            case "None":
                return None
            case "Admin":
                return AdminIdentity()
            case "User":
                if message.value not in self._users:
                    raise TokenRefused("nobody has this token")
                return self._users[message.value]


def _is_loopback(address: Address) -> bool:
    """Tests reach no server but their own."""
    return address.is_loopback
