"""What a function is given: its capabilities are the type of its ``ctx``."""

from collections.abc import Callable
from functools import cached_property
from random import Random  # noqa: TID251 - the type only
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import msgspec
from typing_extensions import override

from chalicelib.engine.auth import Caller, Identity, Unverified, user_of
from chalicelib.engine.auth.seen import SIGNED_IN, Claims, watched
from chalicelib.engine.database.documents import Reader, Writer
from chalicelib.engine.database.history import History
from chalicelib.engine.errors import (
    ActionTimedOut,
    OutsideNotConfigured,
    SecretsNotConfigured,
    Unauthenticated,
)
from chalicelib.engine.functions.addresses import Addresses
from chalicelib.engine.functions.determinism import Determinism
from chalicelib.engine.functions.live import Live
from chalicelib.engine.functions.log_lines import Log
from chalicelib.engine.functions.scheduler import Scheduler
from chalicelib.engine.functions.storage import (
    ActionFiles,
    FileAccess,
    FileReader,
    FileWriter,
)
from chalicelib.engine.limits import MAX_ACTION_S
from chalicelib.engine.outside import Outside
from chalicelib.engine.secrets import SecretBox

if TYPE_CHECKING:
    # The decorators' types name the contexts, and a context's methods name theirs.
    from chalicelib.engine.functions.registration import (
        ActionFunction,
        MutationFunction,
        QueryFunction,
    )
    from chalicelib.engine.functions.registry import Registry

_NONCE_BYTES: Final = 16

P = ParamSpec("P")
R = TypeVar("R")
Part = TypeVar("Part")


class Auth:
    """Who calls. What was asked is kept: a result is shared by all who answer the same."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._noted: set[str] = set()

    @property
    def claims(self) -> Claims:
        """What was asked so far."""
        return frozenset(self._noted)

    def identity(self) -> Identity | None:
        """The signed-in user, or None.

        Raises:
            Unauthenticated: the token that came with an HTTP request does not hold.
        """
        self._noted.add(SIGNED_IN)
        if isinstance(self._caller, Unverified):
            raise Unauthenticated(self._caller.reason)
        user = user_of(self._caller)
        return None if user is None else watched(user, self._noted)

    def require(self) -> Identity:
        """The signed-in user.

        Raises:
            Unauthenticated: nobody is signed in.
        """
        identity = self.identity()
        if identity is None:
            raise Unauthenticated("sign in first: this needs a user")
        return identity


class PolicyCtx:
    """What a row policy may ask: who calls, and the database without policies."""

    db: Reader

    def __init__(self, auth: Auth, db: Reader, determinism: Determinism) -> None:
        self.auth, self._determinism = auth, determinism
        self.db = db

    @property
    def now(self) -> float:
        """The time of the run, milliseconds since the Unix epoch; it stands still."""
        return self._determinism.now_ms


class QueryCtx(PolicyCtx):
    """The context of a query: it reads.

    Attributes:
        addresses: Where clients reach this deployment.
        log: Lines that go back to the caller in development.
    """

    def __init__(
        self,
        auth: Auth,
        db: Reader,
        determinism: Determinism,
        log: Log,
        call: Callable[..., Any],
        files: FileAccess = FileAccess(),  # noqa: B008 - frozen
        addresses: Addresses = Addresses(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(auth, db, determinism)
        self.log, self._call, self._files = log, call, files
        self.addresses = addresses

    @property
    def storage(self) -> FileReader:
        """The stored files."""
        return FileReader(self.db, self._files)

    def run_query(
        self, function: "QueryFunction[P, R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run another query in this transaction; arguments and result are validated."""
        result: R = self._call(function, args, kwargs)
        return result

    @property
    def random(self) -> Random:
        """Chance, the same when the run is repeated."""
        return self._determinism.random


class MutationCtx(QueryCtx):
    """The context of a mutation: it reads and writes, all or nothing."""

    db: Writer

    def __init__(
        self,
        auth: Auth,
        db: Writer,
        determinism: Determinism,
        log: Log,
        call: Callable[..., Any],
        make_scheduler: Callable[[], Scheduler],
        files: FileAccess = FileAccess(),  # noqa: B008 - frozen
        addresses: Addresses = Addresses(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(auth, db, determinism, log, call, files, addresses)
        self.db, self._make_scheduler = db, make_scheduler

    @cached_property
    def scheduler(self) -> Scheduler:
        """Calls for later, which are scheduled if the mutation commits."""
        return self._make_scheduler()

    @property
    def history(self) -> History:
        """The log itself, under no row policy: for whoever follows it."""
        return History(self.db)

    @property
    @override
    def storage(self) -> FileWriter:
        """The stored files."""
        return FileWriter(
            self.db,
            self._files,
            now_ms=lambda: self.now,
            nonce=lambda: self.random.randbytes(_NONCE_BYTES),
        )

    def run_mutation(
        self, function: "MutationFunction[P, R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run another mutation in this transaction; arguments and result are validated.

        If it raises, what it wrote is taken back, and nothing else: whoever catches the error
        goes on with the rest.
        """
        result: R = self._call(function, args, kwargs)
        return result


class SystemCtx(QueryCtx):
    """The context of a query of the CLI or the dashboard, which also sees what is served."""

    registry: "Registry"
    watched: Live

    @property
    def live(self) -> Live:
        """What is known of live queries. It is of now and here: the result is not shared."""
        self._determinism.was_read = True
        return self.watched


class Calls(msgspec.Struct, frozen=True):
    """How an action reaches other functions; each call is a transaction of its own."""

    query: Callable[..., Any]
    mutation: Callable[..., Any]
    action: Callable[..., Any]


class Reach(msgspec.Struct, frozen=True):
    """What an action reaches beside the database; None: the deployment does not have it."""

    secrets: SecretBox | None = None
    outside: Outside | None = None


class ActionCtx:
    """The context of an action: it may do anything, and has no database of its own.

    It serves an action for ten minutes. What is asked of it afterwards raises ActionTimedOut:
    whoever waited was answered meanwhile, and nothing more is to come of the action.

    Attributes:
        addresses: Where clients reach this deployment.
    """

    def __init__(
        self,
        auth: Auth,
        calls: Calls,
        clock: Callable[[], float],
        log: Log,
        scheduler: Scheduler,
        storage: ActionFiles,
        reach: Reach = Reach(),  # noqa: B008 - frozen
        addresses: Addresses = Addresses(),  # noqa: B008 - frozen
    ) -> None:
        self.auth, self.log, self.addresses = auth, log, addresses
        self._scheduler, self._storage, self._reach = scheduler, storage, reach
        self._calls, self._clock = calls, clock
        self._until_ms = clock() + MAX_ACTION_S * 1000

    @property
    def scheduler(self) -> Scheduler:
        """Calls for later; each is scheduled at once."""
        return self._in_time(self._scheduler)

    @property
    def storage(self) -> ActionFiles:
        """The stored files."""
        return self._in_time(self._storage)

    def _in_time(self, part: Part) -> Part:
        """Give out a part of this context, while the action may run.

        Raises:
            ActionTimedOut: it has run for too long.
        """
        if self._clock() > self._until_ms:
            raise ActionTimedOut(
                f"an action may run for {MAX_ACTION_S:.0f} seconds; this one has run for longer,"
                " and can call nothing more: let it schedule the rest"
            )
        return part

    @property
    def secrets(self) -> SecretBox:
        """Seals secrets, and opens them.

        Raises:
            SecretsNotConfigured: the deployment has no key.
        """
        if self._reach.secrets is None:
            raise SecretsNotConfigured("no key for secrets: set GEOFLOW_KMS_KEY")
        return self._reach.secrets

    @property
    def outside(self) -> Outside:
        """Other servers, to which requests may be sent.

        Raises:
            OutsideNotConfigured: the deployment sends none.
        """
        if self._reach.outside is None:
            raise OutsideNotConfigured("this deployment sends no requests to other servers")
        return self._reach.outside

    @property
    def now(self) -> float:
        """Milliseconds since the Unix epoch; it goes on."""
        return self._clock()

    def run_query(
        self, function: "QueryFunction[P, R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a query at the newest timestamp."""
        result: R = self._in_time(self._calls).query(function, args, kwargs)
        return result

    def run_mutation(
        self, function: "MutationFunction[P, R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a mutation in a transaction of its own."""
        result: R = self._in_time(self._calls).mutation(function, args, kwargs)
        return result

    def run_action(
        self, function: "ActionFunction[P, R]", /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run another action, here and now."""
        result: R = self._in_time(self._calls).action(function, args, kwargs)
        return result
