"""Chalice, safe to call from several threads at once.

On Lambda a process handles one event at a time, and Chalice keeps the request that it is at
on the app object. The local server calls the same app from many threads.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from chalice.app import Chalice
from typing_extensions import override


class _Middleware:
    """The middleware for one type of event, looked up anew by whoever iterates.

    Chalice hands its handlers a generator, which they use up on their first call: two first
    calls at once find it running, or find it empty and go without middleware from then on.
    """

    def __init__(self, select: Callable[[], Iterator[Any]]) -> None:
        self._select = select

    def __iter__(self) -> Iterator[Any]:
        return self._select()


class _NoSockets:
    """Stands for Chalice's own client of sockets, which nobody here uses.

    Chalice configures it anew for every frame, and needs a region to do so; posts go
    through the gateway port.
    """

    def configure_from_api_id(self, api_id: str, stage: str) -> None:
        """Nothing to configure."""


class ThreadSafeChalice(Chalice):
    """A Chalice app whose current request and context belong to the calling thread."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._of_thread = threading.local()
        super().__init__(*arguments, **options)
        self.websocket_api: Any = _NoSockets()

    @override
    def __call__(self, event: Any, context: Any) -> Any:
        """Answer a request of API Gateway.

        Chalice answers 400 to one that names no type it accepts; to HTTP it accepts them all
        (RFC 9110, 12.5.1).
        """
        headers = event.get("headers") or {}
        if not any(name.lower() == "accept" for name in headers):
            event = {**event, "headers": {**headers, "Accept": "*/*"}}
        return super().__call__(event, context)

    @property  # type: ignore[explicit-override]
    def current_request(self) -> Any:
        """The request that this thread is at, or None."""
        return getattr(self._of_thread, "request", None)

    @current_request.setter
    def current_request(self, request: Any) -> None:
        self._of_thread.request = request

    @property  # type: ignore[explicit-override]
    def lambda_context(self) -> Any:
        """The Lambda context of the call that this thread is at, or None."""
        return getattr(self._of_thread, "context", None)

    @lambda_context.setter
    def lambda_context(self, context: Any) -> None:
        self._of_thread.context = context

    @override
    def _get_middleware_handlers(self, event_type: str) -> Any:
        select = super()._get_middleware_handlers
        return _Middleware(lambda: iter(select(event_type)))
