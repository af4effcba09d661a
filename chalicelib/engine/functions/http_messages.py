"""What an HTTP function is given, and what it answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from chalicelib.engine.errors import ValidationFailed
from chalicelib.engine.values.encoding import clean
from chalicelib.engine.values.types import to_value


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request. Names of headers are lower case.

    ``path`` is as it was sent, percent-encoded, and without the query string; ``query`` is
    decoded. ``url`` is the whole address as the client wrote it, if that is known. ``source``
    is the network address of the client as the platform saw it; no header that a client
    writes changes it. ``stream`` is the body of a streamed route where the server can stream:
    ``chunks`` has it either way.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""
    url: str = ""
    source: str = ""
    stream: Iterable[bytes] | None = None

    @property
    def chunks(self) -> Iterable[bytes]:
        """The body in pieces; they can be read once, and before the answer."""
        return (self.body,) if self.stream is None else self.stream

    def text(self) -> str:
        """Return the body as text.

        Raises:
            ValidationFailed: it is not UTF-8.
        """
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise ValidationFailed("the body must be text in UTF-8") from None

    def json(self) -> Any:
        """Return what the body says in JSON.

        Raises:
            ValidationFailed: it is not JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValidationFailed(f"the body must be JSON: {error}") from None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered to an HTTP request; ``stream`` is a body that is never whole in memory.

    Where answers cannot stream (on AWS) its pieces are joined, and the limits are the same.

    ``repeated`` are more headers, of which a name may come several times, as that of
    ``Set-Cookie`` does. A name is in one of the two.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    stream: Iterable[bytes] | None = None
    repeated: Sequence[tuple[str, str]] = ()

    @classmethod
    def json(
        cls,
        value: Any,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        repeated: Sequence[tuple[str, str]] = (),
    ) -> "Response":
        """Answer with a value: documents and structs as clients see them.

        JSON has no bigints and bytes: they become digits and base64, both as text.

        Raises:
            InvalidValue: something inside is not a value.
        """
        body = msgspec.json.encode(clean(to_value(value)))
        kind = {"Content-Type": "application/json"}
        sent = {**kind, **(headers or {})}
        return cls(status=status, body=body, headers=sent, repeated=repeated)

    @classmethod
    def text(
        cls,
        text: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        repeated: Sequence[tuple[str, str]] = (),
    ) -> "Response":
        """Answer with plain text."""
        kind = {"Content-Type": "text/plain; charset=utf-8"}
        sent = {**kind, **(headers or {})}
        return cls(status=status, body=text.encode(), headers=sent, repeated=repeated)
