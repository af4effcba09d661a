"""The contract of blob stores, over every adapter."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import boto3
import pytest
import requests

from chalicelib.adapters.directory import DirectoryBlobs
from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.adapters.s3 import PART_BYTES, S3Blobs
from chalicelib.engine.blobs import BlobFacts, BlobStore
from chalicelib.engine.errors import BlobMissing, StorageFull, StorageUnavailable
from local.emulator import start_emulator

BUCKET = "geoflow-conformance-files"
TEXT = b"The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Blobs]:
    with start_emulator() as emulator:
        boto3.client("s3", region_name=emulator.region).create_bucket(Bucket=BUCKET)
        yield S3Blobs(BUCKET, region=emulator.region)


@pytest.fixture(params=["memory", "directory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    match request.param:
        case "memory":
            return MemoryBlobs()
        case "directory":
            return DirectoryBlobs(tmp_path / "files")
        case _:
            found: S3Blobs = request.getfixturevalue("s3")
            return found


@pytest.fixture
def key() -> str:
    return str(uuid4())


def put(blobs: BlobStore, key: str, *chunks: bytes) -> BlobFacts:
    return blobs.put(key, chunks, content_type="text/plain")


def read(blobs: BlobStore, key: str, first: int = 0, end: int | None = None) -> bytes:
    return b"".join(blobs.get(key, first, end))


def broken(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise ConnectionResetError("the client went away")


class TestPut:
    @pytest.mark.parametrize(
        "chunks",
        [
            (),
            (b"",),
            (TEXT,),
            (TEXT[:10], b"", TEXT[10:]),
            tuple(TEXT[at : at + 1] for at in range(len(TEXT))),
            (os.urandom(PART_BYTES), os.urandom(PART_BYTES), b"and more"),
        ],
        ids=["none", "empty", "one", "three", "bytes", "large"],
    )
    def test_keeps_the_bytes_and_tells_their_size_and_digest(
        self, blobs: BlobStore, key: str, chunks: tuple[bytes, ...]
    ) -> None:
        facts = put(blobs, key, *chunks)

        whole = b"".join(chunks)
        assert facts == BlobFacts(len(whole), sha256(whole).digest())
        assert read(blobs, key) == whole

    @pytest.mark.parametrize("before", [(), (TEXT,), (bytes(PART_BYTES + 1),)])
    def test_that_is_broken_off_leaves_nothing(
        self, blobs: BlobStore, key: str, before: tuple[bytes, ...]
    ) -> None:
        with pytest.raises(ConnectionResetError, match="went away"):
            blobs.put(key, broken(*before), content_type=None)

        with pytest.raises(BlobMissing):
            read(blobs, key)

    def test_shows_nothing_before_its_end(self, blobs: BlobStore, key: str) -> None:
        seen: list[bytes] = []

        def look() -> Iterator[bytes]:
            yield TEXT
            with pytest.raises(BlobMissing):
                seen.append(read(blobs, key))

        blobs.put(key, look(), content_type=None)

        assert (seen, read(blobs, key)) == ([], TEXT)

    def test_can_be_made_again_after_it_was_broken_off(
        self, blobs: BlobStore, key: str
    ) -> None:
        with pytest.raises(ConnectionResetError):
            blobs.put(key, broken(b"half"), content_type=None)

        put(blobs, key, TEXT)

        assert read(blobs, key) == TEXT


class TestGet:
    @pytest.mark.parametrize(
        ("first", "end"),
        [
            (0, None),
            (0, 1),
            (4, 9),
            (4, None),
            (len(TEXT) - 1, None),
            (0, len(TEXT)),
            (3, 3),
        ],
    )
    def test_reads_a_range(
        self, blobs: BlobStore, key: str, first: int, end: int | None
    ) -> None:
        put(blobs, key, TEXT)

        assert read(blobs, key, first, end) == TEXT[first:end]

    def test_reads_a_range_that_spans_pieces(self, blobs: BlobStore, key: str) -> None:
        content = os.urandom(300_000)
        put(blobs, key, content)

        assert read(blobs, key, 65_000, 200_001) == content[65_000:200_001]

    def test_refuses_a_blob_that_is_not_there(self, blobs: BlobStore, key: str) -> None:
        with pytest.raises(BlobMissing):
            next(blobs.get(key))

    def test_may_be_left_half_way(self, blobs: BlobStore, key: str) -> None:
        put(blobs, key, bytes(300_000))

        assert next(blobs.get(key))
        assert len(read(blobs, key)) == 300_000


class TestDelete:
    def test_removes_the_blob_and_no_other(self, blobs: BlobStore, key: str) -> None:
        other = str(uuid4())
        put(blobs, key, TEXT)
        put(blobs, other, b"kept")

        blobs.delete(key)

        with pytest.raises(BlobMissing):
            read(blobs, key)
        assert read(blobs, other) == b"kept"

    def test_of_what_is_not_there_is_no_error(self, blobs: BlobStore, key: str) -> None:
        blobs.delete(key)
        put(blobs, key, TEXT)
        blobs.delete(key)

        blobs.delete(key)

        with pytest.raises(BlobMissing):
            read(blobs, key)


class TestLinks:
    """Either a store makes links that work, or it makes none."""

    def test_upload_once_what_was_announced(self, blobs: BlobStore, key: str) -> None:
        digest = sha256(TEXT).digest()
        link = blobs.upload_link(key, sha256=digest, content_type="text/plain", valid_s=60)
        assert blobs.linked(key) is None
        if link is None:
            assert not isinstance(blobs, S3Blobs)
            return

        first = requests.put(link.url, data=TEXT, timeout=5, headers=link.headers)
        again = requests.put(
            link.url, data=b"something else", timeout=5, headers=link.headers
        )

        assert (first.status_code, again.status_code) == (200, 412)
        assert blobs.linked(key) == BlobFacts(len(TEXT), digest)
        assert read(blobs, key) == TEXT

    def test_download_with_the_headers_of_the_file(
        self, blobs: BlobStore, key: str
    ) -> None:
        put(blobs, key, TEXT)
        link = blobs.download_link(
            key, content_type="text/x-own", valid_s=60, disposition="attachment"
        )
        if link is None:
            assert not isinstance(blobs, S3Blobs)
            return

        whole = requests.get(link, timeout=5)
        part = requests.get(link, timeout=5, headers={"Range": "bytes=4-8"})

        assert (whole.status_code, whole.content) == (200, TEXT)
        assert whole.headers["content-type"] == "text/x-own"
        assert whole.headers["content-disposition"] == "attachment"
        assert whole.headers["cache-control"] == "private, max-age=2592000"
        assert (part.status_code, part.content) == (206, TEXT[4:9])


class TestS3:
    def test_signs_every_header_that_a_link_asks_for(self, s3: S3Blobs, key: str) -> None:
        link = s3.upload_link(key, sha256=bytes(32), content_type="a/b", valid_s=60)

        assert link is not None
        asked = dict(parse_qsl(urlsplit(link.url).query))
        signed = asked["X-Amz-SignedHeaders"].split(";")
        assert {name.lower() for name in link.headers} | {"host"} == set(signed)
        assert asked["X-Amz-Expires"] == "60"
        assert link.headers["x-amz-checksum-sha256"] == base64.b64encode(bytes(32)).decode()

    def test_makes_links_to_the_region_of_the_bucket(self, key: str) -> None:
        with start_emulator():
            far = S3Blobs("bucket", region="eu-central-1")
            other = S3Blobs("bucket", region="eu-central-1", endpoint="http://minio:9000")

            links = [
                store.download_link(key, content_type=None, valid_s=60) or ""
                for store in (far, other)
            ]

        assert [link.partition("?")[0] for link in links] == [
            f"https://bucket.s3.eu-central-1.amazonaws.com/{key}",
            f"http://minio:9000/bucket/{key}",
        ]

    def test_says_that_a_bucket_does_not_answer(self, s3: S3Blobs, key: str) -> None:
        nowhere = S3Blobs("geoflow-no-such-bucket", region="us-east-1")

        with pytest.raises(StorageUnavailable):
            put(nowhere, key, TEXT)
        with pytest.raises(StorageUnavailable):
            nowhere.delete(key)


class TestDirectory:
    def test_holds_no_more_than_pieces_in_memory(self, tmp_path: Path, key: str) -> None:
        blobs, piece = DirectoryBlobs(tmp_path), bytes(64 * 1024)
        tracemalloc.start()

        blobs.put(key, (piece for _ in range(800)), content_type=None)
        size = sum(map(len, blobs.get(key)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert size == 800 * len(piece)
        assert peak < 1 << 20

    def test_keeps_whole_files_only_when_it_is_killed(self, tmp_path: Path) -> None:
        whole, half = str(uuid4()), str(uuid4())
        program = (
            "import os, signal, sys, pathlib\n"
            "from chalicelib.adapters.directory import DirectoryBlobs\n"
            "blobs = DirectoryBlobs(pathlib.Path(sys.argv[1]))\n"
            "blobs.put(sys.argv[2], [b'whole'], content_type=None)\n"
            "def chunks():\n"
            "    yield b'half'\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "blobs.put(sys.argv[3], chunks(), content_type=None)\n"
        )

        ended = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), whole, half], check=False
        )

        blobs = DirectoryBlobs(tmp_path)
        assert ended.returncode == -signal.SIGKILL
        assert read(blobs, whole) == b"whole"
        with pytest.raises(BlobMissing):
            read(blobs, half)
        assert [path.name for path in (tmp_path / "incoming").iterdir()] == [half]

        blobs.delete(half)
        assert list((tmp_path / "incoming").iterdir()) == []

    def test_lets_nobody_else_read_the_files(self, tmp_path: Path, key: str) -> None:
        put(DirectoryBlobs(tmp_path), key, TEXT)

        (path,) = (p for p in tmp_path.rglob("*") if p.is_file())
        assert path.stat().st_mode & 0o077 == 0

    def test_says_that_the_disk_is_full(
        self, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "incoming").mkdir()
        (tmp_path / "incoming" / key).symlink_to("/dev/full")

        with pytest.raises(StorageFull):
            put(DirectoryBlobs(tmp_path), key, TEXT)

    def test_says_that_its_place_cannot_be_used(self, tmp_path: Path, key: str) -> None:
        (tmp_path / "files").write_text("not a directory")

        with pytest.raises(StorageUnavailable):
            put(DirectoryBlobs(tmp_path / "files"), key, TEXT)
