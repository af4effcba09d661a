"""Blobs as objects of an S3 bucket."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from chalicelib.adapters import aws
from chalicelib.engine.blobs import PIECE_BYTES, BlobFacts, BlobStore, UploadLink
from chalicelib.engine.errors import BlobMissing, StorageUnavailable

PART_BYTES: Final = 8 << 20
"""Size of a part of a large upload, one of which is held in memory: 8 MiB.

S3 takes 10,000 parts, so a file may have 78 GiB. Source: S3, "Multipart upload limits".
"""

CONNECT_S: Final = 2.0
READ_S: Final = 20.0
"""How long a connection, and the next bytes of an answer, may take, in seconds."""

ATTEMPTS: Final = 4
"""How often a call is made until it is answered."""

CACHE_CONTROL: Final = "private, max-age=2592000"
"""What a link says of how long its answer holds: a blob never changes."""

_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Blobs(BlobStore):
    """The blobs of a bucket, each an object of the key's name."""

    def __init__(
        self, bucket: str, *, region: str | None = None, endpoint: str | None = None
    ) -> None:
        self._bucket, self._region, self._endpoint = bucket, region, endpoint

    @cached_property
    def _client(self) -> Any:
        # Made when it is needed: most processes of a deployment never touch a file.
        return aws.client(
            "s3",
            region_name=self._region,
            endpoint_url=self._endpoint,
            config=Config(
                # Older signatures know neither signed headers nor all regions.
                signature_version="s3v4",
                # Links must name the bucket's region: the global address redirects those
                # that are signed for another. Others than AWS rarely have names for buckets.
                s3={"addressing_style": "path" if self._endpoint else "virtual"},
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                tcp_keepalive=True,
            ),
        )

    @override
    def put(
        self, key: str, chunks: Iterable[bytes], *, content_type: str | None
    ) -> BlobFacts:
        from s3transfer.futures import NonThreadedExecutor  # noqa: PLC0415 - for uploads only
        from s3transfer.manager import TransferConfig, TransferManager  # noqa: PLC0415

        source = _Source(chunks)
        options = {"ContentType": content_type} if content_type else {}
        # One part after another, in this thread: two would only double what is in memory.
        manager = TransferManager(
            self._client,
            TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES),
            executor_cls=NonThreadedExecutor,
        )
        with _typed_errors(key), manager:
            manager.upload(source, self._bucket, key, extra_args=options).result()  # type: ignore[arg-type]  # it reads, and that is all that is asked of it
        return source.facts

    @override
    def get(self, key: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        if end is not None and end <= first:
            return
        whole = first == 0 and end is None
        last = "" if end is None else end - 1
        part = {} if whole else {"Range": f"bytes={first}-{last}"}
        with _typed_errors(key):
            found = self._client.get_object(Bucket=self._bucket, Key=key, **part)
            with closing(found["Body"]) as body:
                yield from body.iter_chunks(PIECE_BYTES)

    @override
    def delete(self, key: str) -> None:
        with _typed_errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    @override
    def upload_link(
        self, key: str, *, sha256: bytes, content_type: str | None, valid_s: int
    ) -> UploadLink | None:
        headers = {
            "x-amz-sdk-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": base64.b64encode(sha256).decode(),
            # The link stays good for a while: without this its holder could replace a file.
            "If-None-Match": "*",
        }
        given = {
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": headers["x-amz-checksum-sha256"],
            "IfNoneMatch": "*",
        }
        if content_type:
            given["ContentType"] = headers["Content-Type"] = content_type
        return UploadLink(self._link("put_object", key, valid_s, given), headers)

    @override
    def linked(self, key: str) -> BlobFacts | None:
        try:
            with _typed_errors(key):
                found = self._client.head_object(
                    Bucket=self._bucket, Key=key, ChecksumMode="ENABLED"
                )
        except BlobMissing:
            return None
        digest = base64.b64decode(found.get("ChecksumSHA256", ""))
        return BlobFacts(found["ContentLength"], digest)

    @override
    def download_link(
        self,
        key: str,
        *,
        content_type: str | None,
        valid_s: int,
        disposition: str | None = None,
    ) -> str | None:
        given = {"ResponseCacheControl": CACHE_CONTROL}
        if disposition:
            given["ResponseContentDisposition"] = disposition
        if content_type:
            given["ResponseContentType"] = content_type
        return self._link("get_object", key, valid_s, given)

    def _link(self, operation: str, key: str, valid_s: int, given: dict[str, str]) -> str:
        with _typed_errors(key):
            url: str = self._client.generate_presigned_url(
                operation,
                Params={"Bucket": self._bucket, "Key": key, **given},
                ExpiresIn=valid_s,
            )
        return url


class _Source:
    """Chunks as the file that S3's library reads, and what was read of it so far."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), bytearray()
        self._size, self._digest = 0, sha256()

    @property
    def facts(self) -> BlobFacts:
        return BlobFacts(self._size, self._digest.digest())

    def read(self, amount: int = -1) -> bytes:
        while amount < 0 or len(self._rest) < amount:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
            self._size += len(chunk)
            self._digest.update(chunk)
        end = len(self._rest) if amount < 0 else amount
        found = bytes(self._rest[:end])
        del self._rest[:end]
        return found


@contextmanager
def _typed_errors(key: str) -> Iterator[None]:
    """Raise what the SDK raises as errors of ours."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            raise BlobMissing(key) from None
        raise StorageUnavailable(f"the bucket of files: {error}") from error
    except BotoCoreError as error:
        raise StorageUnavailable(f"the bucket of files: {error}") from error
