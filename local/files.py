"""File storage of the local server: where the bytes are, and how they come and go."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from chalicelib import bootstrap
from chalicelib.adapters.directory import DirectoryBlobs
from chalicelib.config import Settings
from chalicelib.engine.blobs import BlobStore
from chalicelib.engine.errors import UploadBroken
from chalicelib.entrypoints import files
from chalicelib.entrypoints.addresses import app_path
from chalicelib.entrypoints.http import Handler, Request, answer, http_function
from local.events import forwarded
from local.http import HttpRequest
from local.streaming import ClientGone, StreamedMount, StreamedResponse

DIRECTORY: Final = "files"
"""Where the files are in the data directory."""

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - an address is compared


def file_store(settings: Settings, *, survives: bool) -> BlobStore:
    """Return the bucket that is configured, or a part of the data directory.

    Each kind of store has a directory of its own: the files of one are unknown to another.
    Where the documents do not survive a restart (``survives``), neither do the files.
    """
    if settings.files_bucket:
        configured = bootstrap.bucket(settings)
        if configured is not None:
            return configured
    return DirectoryBlobs(_directory(settings, survives=survives))


def _directory(settings: Settings, *, survives: bool) -> Path:
    name = DIRECTORY if settings.store == "sqlite" else f"{DIRECTORY}-{settings.store}"
    if survives:
        return settings.directory / name
    passing = settings.directory / f"{name}-passing"
    shutil.rmtree(passing, ignore_errors=True)
    return passing


def own_address(host: str, port: int) -> str:
    """Return the address at which clients on this machine find the server."""
    name = "127.0.0.1" if host in _EVERYWHERE else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def file_routes() -> StreamedMount:
    """Return the routes of files, whose bodies are never whole in memory."""
    return StreamedMount(
        takes=lambda request: request.path.startswith(files.PREFIX), route=_serve_file
    )


def app_routes() -> StreamedMount:
    """Return the routes of apps that say that they stream."""
    return StreamedMount(takes=_streams, route=_serve_app)


def _streams(request: HttpRequest) -> bool:
    http = bootstrap.current().backend.registry.http
    return http.streams(request.method, app_path(request.path))


def _serve_file(request: HttpRequest, body: Iterator[bytes]) -> StreamedResponse:
    return _serve(files.handler_of(request.method, request.path), request, body)


def _serve_app(request: HttpRequest, body: Iterator[bytes]) -> StreamedResponse:
    return _serve(http_function, request, body)


def _serve(
    handler: Handler, request: HttpRequest, body: Iterator[bytes]
) -> StreamedResponse:
    asked = Request(
        method=request.method,
        path=request.path,
        query=dict(parse_qsl(request.query, keep_blank_values=True)),
        query_string=request.query,
        headers=dict(forwarded(request)),
        peer=request.source_ip,
        stream=_unbroken(body),
    )
    response = answer(handler, bootstrap.current, asked)
    headers = dict(response.headers)
    if response.stream is None:
        headers = {"Content-Length": str(len(response.body)), **headers}
    pieces = (response.body,) if response.stream is None else response.stream
    return StreamedResponse(
        status=response.status,
        headers=headers,
        pieces=pieces,
        repeated=response.repeated,
    )


def _unbroken(body: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from body
    except ClientGone as gone:
        raise UploadBroken(f"the upload broke off: {gone}") from gone
