"""A session in somebody's hands: what it has become, and what ends it."""

from typing import Final, NoReturn

from chalicelib.engine.auth import has_expired, user_of
from chalicelib.engine.errors import EngineError
from chalicelib.engine.ports import Lease
from chalicelib.engine.sync.messages import AuthError, FatalError
from chalicelib.engine.sync.outbox import Outbox
from chalicelib.engine.sync.services import Ended, Services
from chalicelib.engine.sync.session import Session

CLOSE_INTERNAL: Final = 1011
CLOSE_NORMAL: Final = 1000
CLOSE_AGAIN: Final = 1013
"""Close code that makes the stock clients come back after a while."""


class Holding:
    """What the holder of a lease has in hand, and saves when it gives the lease back.

    ``changed`` tells that the state is another one than it was, ``newest`` that the client is
    to be shown the log's end as it is now.
    """

    def __init__(
        self, services: Services, connection: str, session: Session, lease: Lease
    ) -> None:
        self.services, self.connection = services, connection
        self.session, self.lease = session, lease
        self.changed = False
        # What the client waits for may lie beyond what this process has read of the log:
        # somebody else may have answered it, or an action have done it elsewhere.
        self.newest = lease.due
        self.outbox = Outbox(
            services.gateway,
            services.clock,
            connection,
            services.max_message_bytes,
            services.offer,
        )

    def require_fresh_token(self) -> None:
        """Have the client fetch another token if the one it showed has expired."""
        user = user_of(self.session.caller)
        if user is not None and has_expired(user, self.services.clock.now_ms()):
            self.refuse_token("The token has expired: fetch a new one.", attempted=False)

    def refuse_token(self, why: str, *, attempted: bool) -> NoReturn:
        """End the connection for its token; ``attempted``: it was just shown."""
        self.outbox.post(
            AuthError(
                error=why,
                base_version=self.lease.version[1],
                auth_update_attempted=attempted,
            )
        )
        raise Ended(CLOSE_NORMAL, "AuthError")

    def fatal(self, error: EngineError) -> NoReturn:
        """End the connection of a client that broke the protocol."""
        self.outbox.post(FatalError(error=f"{error.code}: {error}"))
        raise Ended(CLOSE_NORMAL, error.code)
