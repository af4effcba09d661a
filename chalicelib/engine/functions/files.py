"""Files: bytes in the blob store, and the commits that claim them.

Before bytes are written a commit announces them, and another one makes a file of them when
they are all there. Whatever is interrupted leaves an announcement, by which the sweep finds
and deletes the bytes a day later. A deleted file leaves one, too, which is due at once.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, Final

import msgspec

from chalicelib.engine.blobs import BlobFacts, BlobStore
from chalicelib.engine.errors import (
    BlobMissing,
    EngineError,
    FilesNotConfigured,
    InvalidUploadToken,
    NoUploadLinks,
    OutcomeUnknown,
    UploadIncomplete,
)
from chalicelib.engine.functions.announced import (
    Announced,
    LinkedUpload,
    Pledge,
    check_type,
    compare,
    digest_text,
)
from chalicelib.engine.functions.deliveries import Ticket
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.functions.storage import (
    UPLOAD_PURPOSE,
    FileAccess,
)
from chalicelib.engine.functions.storage_calls import StorageCalls
from chalicelib.engine.functions.tokens import sign, signed_content
from chalicelib.engine.ports import Clock, Ids
from chalicelib.engine.schema import Id, StoredFile

LINK_VALID_S: Final = 3600
"""How long somebody may begin to use a link to the store itself, in seconds: an hour."""

FINISH_VALID_MS: Final = 12 * 3_600_000.0
"""How long an upload by link may be finished, in milliseconds: 12 hours, for slow lines."""

SWEPT_AT_ONCE: Final = 100
"""Blobs that one step of the sweep deletes."""

SWEEP_STEPS: Final = 20
"""Steps of one sweep; what is left is for the next one, a minute later."""

_FINISH_PURPOSE: Final = "finish"


class Files:
    """Uploads, downloads and deletes; the sweep that keeps the store clean."""

    def __init__(
        self,
        runner: Runner,
        blobs: BlobStore | None,
        access: FileAccess,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._calls, self._held, self._access = StorageCalls(runner), blobs, access
        self._clock, self._ids = clock, ids

    # -- uploads --------------------------------------------------------------------------

    def upload_url(self) -> str:
        """Return a URL to which a file may be posted for the next hour."""
        return self._access.upload_url(self._clock.now_ms(), self._ids.seed())

    def check_upload_token(self, token: str) -> None:
        """See that a token came with an upload URL of this deployment, in the last hour.

        Raises:
            InvalidUploadToken: it did not.
            UploadTokenExpired: it is older.
        """
        now_ms = self._clock.now_ms()
        signed_content(self._access.secret, UPLOAD_PURPOSE, token, now_ms)

    def store(
        self, chunks: Iterable[bytes], *, content_type: str | None = None
    ) -> Id[StoredFile]:
        """Store a file of the deployment's own."""
        return self.upload(chunks, Announced(content_type=content_type))

    def upload(self, chunks: Iterable[bytes], announced: Announced) -> Id[StoredFile]:
        """Store a file as it comes, and return its id once that is committed.

        Raises:
            UploadRefused: what has come is not what was announced.
            StorageUnavailable: nothing was stored; of :class:`OutcomeUnknown` alone that
                cannot be said.
        """
        check_type(announced.content_type)
        key = self._new_key()
        self._blobs  # noqa: B018 - refused before anything is announced
        self._calls.mutation("begin", key=key)
        try:
            facts = self._blobs.put(key, chunks, content_type=announced.content_type)
            compare(facts, announced)
            return self._finish(key, facts, announced.content_type)
        except OutcomeUnknown:
            raise  # it may be a file: the log knows, and so will the sweep
        except BaseException:
            self._give_up(key)
            raise

    def link_upload(self, announced: Announced) -> LinkedUpload:
        """Let a file be put straight into the store, which takes more than a request may hold.

        Raises:
            NoUploadLinks: the store makes no links.
        """
        check_type(announced.content_type)
        key, digest = self._new_key(), announced.sha256 or b""
        link = self._blobs.upload_link(
            key,
            sha256=digest,
            content_type=announced.content_type,
            valid_s=LINK_VALID_S,
        )
        if link is None:
            raise NoUploadLinks
        self._calls.mutation("begin", key=key)
        pledge = msgspec.msgpack.encode(Pledge(key, digest, announced.content_type))
        expires_ms = self._clock.now_ms() + FINISH_VALID_MS
        token = sign(self._access.secret, _FINISH_PURPOSE, pledge, expires_ms)
        return LinkedUpload(link.url, dict(link.headers), token)

    def link(self, sha256: bytes, *, content_type: str | None) -> LinkedUpload | None:
        """Let a file of the deployment's own be put straight into the store, if that can be."""
        try:
            return self.link_upload(Announced(sha256=sha256, content_type=content_type))
        except NoUploadLinks:
            return None

    def finish_link(self, token: str) -> Id[StoredFile]:
        """Make a file of what was put by a link. Repeated, it names the same file.

        Raises:
            UploadIncomplete: nothing was put yet.
            UploadRefused: the token is not good, or what was put is not what was announced.
        """
        now_ms = self._clock.now_ms()
        opened = signed_content(self._access.secret, _FINISH_PURPOSE, token, now_ms)
        try:
            pledge = msgspec.msgpack.decode(opened, type=Pledge)
        except msgspec.DecodeError:
            raise InvalidUploadToken from None
        facts = self._blobs.linked(pledge.key)
        if facts is None:
            raise UploadIncomplete
        compare(facts, Announced(sha256=pledge.sha256))
        return self._finish(pledge.key, facts, pledge.content_type)

    # -- downloads ------------------------------------------------------------------------

    def url(self, file: str) -> str | None:
        """Return the URL of a file; None if there is none."""
        found = self.located(file)
        return self._access.url(found.key) if found is not None else None

    def metadata(self, file: str) -> StoredFile | None:
        """Return what is known of a file; None if there is none."""
        found = self.located(file)
        return found.file if found is not None else None

    def located(self, file: str) -> Any:
        """Return a file's document, and the key of its bytes; None if there is none."""
        return self._calls.query("locate", file=file)

    def find(self, key: str) -> StoredFile | None:
        """Return the file whose URL names ``key``; None if there is none."""
        found: StoredFile | None = self._calls.query("find", key=key)
        return found

    def read(self, key: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read a part of a blob; the first piece is there on return.

        Raises:
            BlobMissing: it is not in the store.
        """
        pieces = self._blobs.get(key, first, end)
        return chain((next(pieces, b""),), pieces)

    def read_file(self, file: str) -> Iterator[bytes] | None:
        """Read a file; None if there is none."""
        found = self.located(file)
        if found is None:
            return None
        try:
            return self.read(found.key)
        except BlobMissing:
            if self.located(file) is None:
                return None  # deleted in between
            raise

    def download_link(
        self,
        key: str,
        content_type: str | None,
        *,
        disposition: str | None = None,
        valid_s: int = LINK_VALID_S,
    ) -> str | None:
        """Return a URL by which the store itself serves the blob; None if it makes none."""
        return self._blobs.download_link(
            key, content_type=content_type, disposition=disposition, valid_s=valid_s
        )

    def ticket_of(self, token: str) -> Ticket:
        """Return what a link that a function has made is good for.

        Raises:
            DownloadLinkRefused: nothing, or no longer.
        """
        return self._access.ticket_of(token, self._clock.now_ms())

    # -- deletes --------------------------------------------------------------------------

    def delete(self, file: str) -> None:
        """Delete a file.

        Raises:
            NotFound: there is none.
        """
        self._calls.mutation("delete", file=file)

    @property
    def are_configured(self) -> bool:
        """Whether the deployment has a place for files."""
        return self._held is not None

    def sweep(self) -> int:
        """Delete the bytes of deleted files, and of uploads that were given up.

        Returns:
            How many blobs those were.
        """
        swept = 0
        for _ in range(SWEEP_STEPS):
            keys = self._calls.mutation("doom", limit=SWEPT_AT_ONCE)
            if not keys:
                break
            self._reap(keys)
            swept += len(keys)
        return swept

    def _reap(self, keys: list[str]) -> None:
        gone: list[str] = []
        try:
            for key in keys:
                self._blobs.delete(key)
                gone.append(key)
        finally:
            if gone:
                self._calls.mutation("noteDeleted", keys=gone)

    def _give_up(self, key: str) -> None:
        """Delete what has come, unless it is a file's; the sweep does what does not work now."""
        with suppress(EngineError):
            if self._calls.mutation("abandon", key=key):
                self._reap([key])

    # -- commits --------------------------------------------------------------------------

    def _finish(
        self, key: str, facts: BlobFacts, content_type: str | None
    ) -> Id[StoredFile]:
        made: Id[StoredFile] = self._calls.mutation(
            "finish",
            key=key,
            sha256=digest_text(facts.sha256),
            size=facts.size,
            contentType=content_type,
        )
        return made

    def _new_key(self) -> str:
        return str(uuid.UUID(bytes=self._ids.seed(), version=4))

    @property
    def _blobs(self) -> BlobStore:
        if self._held is None:
            raise FilesNotConfigured(
                "this deployment has no place for files: set GEOFLOW_FILES_BUCKET"
            )
        return self._held
