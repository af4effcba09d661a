"""``ctx.storage``: files by their ids. What a function may do with them is in the type."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from chalicelib.engine.database.documents import Reader, Writer, system_writer
from chalicelib.engine.errors import (
    DownloadLinkRefused,
    FilesNotConfigured,
    NotFound,
    UploadRefused,
)
from chalicelib.engine.functions.deliveries import Delivery, Ticket, deliver
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.tokens import sign, signed_content
from chalicelib.engine.schema import Id, StoredFile
from chalicelib.engine.schema.builtin import StoredBlob, UnclaimedBlob

if TYPE_CHECKING:
    # It runs functions, whose contexts hold what is here.
    from chalicelib.engine.functions.announced import LinkedUpload
    from chalicelib.engine.functions.files import Files

TOKEN_VALID_MS: Final = 3_600_000.0
"""How long an upload URL is good, in milliseconds: an hour. Source: docs/protocol.md 3."""

DOWNLOAD_VALID_S: Final = 300
"""How long a download may be begun by a link, in seconds: long enough to ask and to follow it,
short enough that it ends soon after somebody may no longer see the file."""

UPLOAD_PURPOSE: Final = "upload"
DOWNLOAD_PURPOSE: Final = "download"


class FileAccess(msgspec.Struct, frozen=True):
    """What URLs of files are made of: the address that clients use, and the secret."""

    origin: str = ""
    secret: bytes = b""

    def url(self, path: str) -> str:
        """Return the URL of ``/api/storage/…``.

        Raises:
            FilesNotConfigured: the deployment does not know its address.
        """
        if not self.origin:
            raise FilesNotConfigured(
                "URLs of files need the address that clients use: set GEOFLOW_CLOUD_URL"
            )
        return f"{self.origin.rstrip('/')}/api/storage/{path}"

    def upload_url(self, now_ms: float, nonce: bytes) -> str:
        """Return a URL to which a file may be posted for the next hour."""
        token = sign(self.secret, UPLOAD_PURPOSE, nonce, now_ms + TOKEN_VALID_MS)
        return self.url(f"upload?token={token}")

    def download_url(self, ticket: Ticket, expires_ms: float) -> str:
        """Return a URL by which a file may be had until then."""
        content = msgspec.msgpack.encode(ticket)
        token = sign(self.secret, DOWNLOAD_PURPOSE, content, expires_ms)
        return self.url(f"link?token={token}")

    def ticket_of(self, token: str, now_ms: float) -> Ticket:
        """Return what the token of such a URL is good for.

        Raises:
            DownloadLinkRefused: nothing, or no longer.
        """
        try:
            content = signed_content(self.secret, DOWNLOAD_PURPOSE, token, now_ms)
        except UploadRefused:
            raise DownloadLinkRefused from None
        return msgspec.msgpack.decode(content, type=Ticket)


class FileReader:
    """What a query may ask of files."""

    def __init__(self, db: Reader, access: FileAccess) -> None:
        self._db, self._access = db, access

    def get_url(self, file: Id[StoredFile]) -> str | None:
        """Return the URL that serves the file to whoever knows it; None if there is no file."""
        blob = self._db.system.query(StoredBlob.by_file.eq(file)).first()
        return self._access.url(blob.key) if blob is not None else None

    def get_metadata(self, file: Id[StoredFile]) -> StoredFile | None:
        """Return what is known of the file, as ``ctx.db.system.get`` does."""
        return self._db.system.get(file)


class FileWriter(FileReader):
    """What a mutation may do with files."""

    def __init__(
        self,
        db: Writer,
        access: FileAccess,
        *,
        now_ms: Callable[[], float],
        nonce: Callable[[], bytes],
    ) -> None:
        super().__init__(db, access)
        self._system, self._now_ms, self._nonce = system_writer(db), now_ms, nonce

    def generate_upload_url(self) -> str:
        """Return a URL to which a client may POST a file within the next hour.

        It answers ``{"storageId": …}``, the id to keep in a document. Whoever has the URL may
        use it, more than once.
        """
        return self._access.upload_url(self._now_ms(), self._nonce())

    def generate_download_url(
        self,
        file: Id[StoredFile],
        *,
        name: str = "",
        inline: bool = False,
        content_type: str = "",
        valid_s: float = DOWNLOAD_VALID_S,
    ) -> str:
        """Return a URL by which whoever has it may read the file for the next minutes.

        :meth:`get_url` is good for as long as there is the file; this one ends. It is saved
        under ``name``, or shown if it is ``inline``; ``content_type`` is told instead of its own.
        """
        ticket = Ticket(file, name, inline, content_type)
        return self._access.download_url(ticket, self._now_ms() + valid_s * 1000)

    def delete(self, file: Id[StoredFile]) -> None:
        """Remove the file with this commit; its bytes are deleted some time after it.

        Raises:
            NotFound: there is no such file.
        """
        if self._system.get(file) is None:
            raise NotFound("no such file", id=file)
        blob = self._system.query(StoredBlob.by_file.eq(file)).first()
        self._system.delete(file)
        if blob is not None:
            self._system.delete(blob.id)
            doomed = UnclaimedBlob(key=blob.key, due=self._now_ms(), doomed=True)
            self._system.insert(doomed)


class ActionFiles:
    """What an action may do with files; each call is a transaction of its own."""

    def __init__(self, files: "Files") -> None:
        self._files = files

    def generate_upload_url(self) -> str:
        """Return a URL to which a client may POST a file within the next hour."""
        return self._files.upload_url()

    def get_url(self, file: Id[StoredFile]) -> str | None:
        """Return the URL that serves the file to whoever knows it; None if there is no file."""
        return self._files.url(file)

    def get_metadata(self, file: Id[StoredFile]) -> StoredFile | None:
        """Return what is known of the file; None if there is none."""
        return self._files.metadata(file)

    def store(
        self, content: bytes | Iterable[bytes], *, content_type: str | None = None
    ) -> Id[StoredFile]:
        """Store a file, given whole or as pieces that are never all in memory."""
        if isinstance(content, bytes | bytearray | memoryview):
            content = (bytes(content),)
        return self._files.store(content, content_type=content_type)

    def link_upload(
        self, sha256: bytes, *, content_type: str | None = None
    ) -> "LinkedUpload | None":
        """Let a file of that digest be put straight into the store; None: no links here."""
        return self._files.link(sha256, content_type=content_type)

    def finish_upload(self, token: str) -> Id[StoredFile]:
        """Make a file of what was put by such a link. Repeated, it names the same file.

        Raises:
            UploadRefused: nothing was put yet, or not what was announced, or too late.
        """
        return self._files.finish_link(token)

    def respond(
        self,
        request: Request,
        file: Id[StoredFile],
        *,
        name: str = "",
        inline: bool = False,
        content_type: str = "",
    ) -> Response | None:
        """Answer a request with the file: ranges, ``ETag`` and ``HEAD`` as it wants them.

        It is to be saved under ``name``, or shown if it is ``inline``; no script in it runs.
        ``content_type`` is told instead of the one that it was stored with.
        Large ones flow where the server streams, and are else a redirection to the store.

        Returns:
            None if there is no file.
        """
        offered = Delivery(name=name, inline=inline, content_type=content_type)
        return deliver(self._files, request, file, offered)

    def get(self, file: Id[StoredFile]) -> bytes | None:
        """Return the bytes of a file; None if there is none."""
        pieces = self.read(file)
        return b"".join(pieces) if pieces is not None else None

    def read(self, file: Id[StoredFile]) -> Iterator[bytes] | None:
        """Return the bytes of a file in pieces, for one that is large; None if there is none."""
        return self._files.read_file(file)

    def delete(self, file: Id[StoredFile]) -> None:
        """Remove the file.

        Raises:
            NotFound: there is no such file.
        """
        self._files.delete(file)
